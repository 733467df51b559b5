// Command vaultserver runs a real Vault core in memory, on a loopback port, for tests.
//
// It prints one line of JSON (address, root_token, unseal_key) when it serves, and logs to standard error.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/vault"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve plain HTTP on")
	maxTTL := flag.Duration("max-ttl", 0, "longest life of a lease; 0 is Vault's own 768h")
	flag.Parse()
	if err := serve(*listen, *maxTTL); err != nil {
		fmt.Fprintln(os.Stderr, "vaultserver:", err)
		os.Exit(1)
	}
}

func serve(listen string, maxTTL time.Duration) error {
	core, opened, err := newCore(maxTTL)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"address":    "http://" + listener.Addr().String(),
		"root_token": opened.rootToken,
		"unseal_key": opened.unsealKey,
	})
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return server.Serve(listener)
}
