package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	log "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	auditfile "github.com/hashicorp/vault/builtin/audit/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// keys open the core: the token that may do everything, and the one share that unseals.
type keys struct {
	rootToken, unsealKey string
}

// newCore makes a core that forgets everything when it ends, initialised and unsealed.
func newCore(maxTTL time.Duration) (*vault.Core, keys, error) {
	logger := log.New(&log.LoggerOptions{Level: log.Warn, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, keys{}, fmt.Errorf("storage: %w", err)
	}
	config := &vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		LogicalBackends:    engines,
		CredentialBackends: logins,
		AuditBackends:      map[string]audit.Factory{"file": auditfile.Factory},
		BuiltinRegistry:    builtins{},
	}
	if maxTTL > 0 {
		config.MaxLeaseTTL, config.DefaultLeaseTTL = maxTTL, maxTTL
	}
	core, err := vault.NewCore(config)
	if err != nil {
		return nil, keys{}, fmt.Errorf("core: %w", err)
	}
	opened, err := initialise(core)
	return core, opened, err
}

func initialise(core *vault.Core) (keys, error) {
	made, err := core.Initialize(context.Background(), &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{},
	})
	if err != nil {
		return keys{}, fmt.Errorf("initialise: %w", err)
	}
	share := made.SecretShares[0]
	// Before the core takes the share: it wipes the slice.
	opened := keys{rootToken: made.RootToken, unsealKey: hex.EncodeToString(share)}
	if _, err := core.Unseal(share); err != nil {
		return keys{}, fmt.Errorf("unseal: %w", err)
	}
	return opened, nil
}
