// Verifies an exported audit log with Go's own implementation of notes and transparent logs.
//
// go run . DIRECTORY
//
// The directory holds audit.jsonl, vkey.txt, any number of checkpoint-SIZE.txt, consistency-OLD-NEW.txt and
// inclusion-INDEX-SIZE.txt. A proof is checked against the checkpoints of its sizes, which must be there.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type head struct {
	size int64
	root tlog.Hash
}

type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d is beyond the log", index)
		}
		hashes = append(hashes, s[index])
	}
	return hashes, nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . DIRECTORY")
		os.Exit(2)
	}
	summary, err := verify(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(summary)
}

func verify(directory string) (string, error) {
	text, err := os.ReadFile(filepath.Join(directory, "vkey.txt"))
	if err != nil {
		return "", err
	}
	vkey := strings.TrimSpace(string(text))
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	hashes, count, err := entries(directory, vkey)
	if err != nil {
		return "", err
	}
	heads, err := checkpoints(directory, verifier, hashes)
	if err != nil {
		return "", err
	}
	consistent, err := consistency(directory, heads)
	if err != nil {
		return "", err
	}
	included, err := inclusion(directory, heads, hashes)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d entries, %d checkpoints, %d consistency proofs, %d inclusion proofs hold",
		count, len(heads), consistent, included), nil
}

// entries checks each line's signature, number and chain, and collects the hashes of the tree.
func entries(directory, vkey string) (stored, int64, error) {
	// Base64 may hold a plus sign too: the key is all that follows the second one.
	encoded, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	if err != nil || len(encoded) != 33 {
		return nil, 0, fmt.Errorf("vkey.txt: no Ed25519 key")
	}
	log, err := os.ReadFile(filepath.Join(directory, "audit.jsonl"))
	if err != nil {
		return nil, 0, err
	}
	var hashes stored
	var previous tlog.Hash
	var number int64
	for _, line := range bytes.SplitAfter(log, []byte("\n")) {
		if len(line) == 0 {
			break
		}
		payload, signature, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
		decoded, err := base64.StdEncoding.Strict().DecodeString(string(signature))
		if !found || err != nil || line[len(line)-1] != '\n' {
			return nil, 0, fmt.Errorf("entry %d: malformed line", number)
		}
		if !ed25519.Verify(encoded[1:], append([]byte("sev1/audit-entry\x00"), payload...), decoded) {
			return nil, 0, fmt.Errorf("entry %d: bad signature", number)
		}
		var fields struct {
			Seq  int64
			Prev string
		}
		if err := json.Unmarshal(payload, &fields); err != nil {
			return nil, 0, fmt.Errorf("entry %d: %w", number, err)
		}
		if fields.Seq != number || fields.Prev != hex.EncodeToString(previous[:]) {
			return nil, 0, fmt.Errorf("entry %d: broken chain", number)
		}
		previous = tlog.RecordHash(payload)
		added, err := tlog.StoredHashes(number, payload, hashes)
		if err != nil {
			return nil, 0, err
		}
		hashes = append(hashes, added...)
		number++
	}
	return hashes, number, nil
}

// checkpoints opens each note and compares its root with the log's.
func checkpoints(directory string, verifier note.Verifier, hashes stored) (map[int64]head, error) {
	files, err := filepath.Glob(filepath.Join(directory, "checkpoint-*.txt"))
	if err != nil {
		return nil, err
	}
	heads := make(map[int64]head)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		opened, err := note.Open(text, note.VerifierList(verifier))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		lines := strings.Split(opened.Text, "\n")
		if len(lines) != 4 || lines[0] != verifier.Name() {
			return nil, fmt.Errorf("%s: no checkpoint of this log", file)
		}
		var one head
		if _, err := fmt.Sscanf(lines[1], "%d", &one.size); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if one.root, err = tlog.ParseHash(lines[2]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		root, err := tlog.TreeHash(one.size, hashes)
		if err != nil || root != one.root {
			return nil, fmt.Errorf("%s: the log has another root (%v)", file, err)
		}
		heads[one.size] = one
	}
	return heads, nil
}

func consistency(directory string, heads map[int64]head) (int, error) {
	files, err := filepath.Glob(filepath.Join(directory, "consistency-*.txt"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		older, newer, proof, err := proofFile(file, "consistency-%d-%d.txt")
		if err != nil {
			return 0, err
		}
		first, second := heads[older], heads[newer]
		if err := tlog.CheckTree(proof, second.size, second.root, first.size, first.root); err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
	}
	return len(files), nil
}

func inclusion(directory string, heads map[int64]head, hashes stored) (int, error) {
	files, err := filepath.Glob(filepath.Join(directory, "inclusion-*.txt"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		index, size, proof, err := proofFile(file, "inclusion-%d-%d.txt")
		if err != nil {
			return 0, err
		}
		one := heads[size]
		leaf := hashes[tlog.StoredHashIndex(0, index)]
		if err := tlog.CheckRecord(tlog.RecordProof(proof), one.size, one.root, index, leaf); err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
	}
	return len(files), nil
}

func proofFile(file, name string) (int64, int64, []tlog.Hash, error) {
	var first, second int64
	if _, err := fmt.Sscanf(filepath.Base(file), name, &first, &second); err != nil {
		return 0, 0, nil, fmt.Errorf("%s: %w", file, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, nil, err
	}
	var hashes []tlog.Hash
	for _, line := range strings.Fields(string(text)) {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, 0, nil, fmt.Errorf("%s: %w", file, err)
		}
		hashes = append(hashes, hash)
	}
	return first, second, hashes, nil
}
