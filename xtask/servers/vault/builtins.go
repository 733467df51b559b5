package main

import (
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	aws "github.com/hashicorp/vault/builtin/credential/aws"
	"github.com/hashicorp/vault/builtin/credential/ldap"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// What this server can mount. Vault's own list (helper/builtinplugins) would compile every plugin in.
var (
	engines = map[string]logical.Factory{"kv": kv.Factory}
	logins  = map[string]logical.Factory{
		"approle":    approle.Factory,
		"aws":        aws.Factory,
		"kubernetes": kubernetes.Factory,
		"ldap":       ldap.Factory,
		"userpass":   userpass.Factory,
	}
)

// builtins tells the plugin catalogue what is compiled in. Without a registry each write to sys/mounts and sys/auth
// ends in a nil pointer.
type builtins struct{}

func factories(kind consts.PluginType) map[string]logical.Factory {
	switch kind {
	case consts.PluginTypeSecrets:
		return engines
	case consts.PluginTypeCredential:
		return logins
	default:
		return nil
	}
}

func (builtins) Contains(name string, kind consts.PluginType) bool {
	_, there := factories(kind)[name]
	return there
}

func (builtins) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory, there := factories(kind)[name]
	return func() (interface{}, error) { return factory, nil }, there
}

func (builtins) Keys(kind consts.PluginType) []string {
	var names []string
	for name := range factories(kind) {
		names = append(names, name)
	}
	return names
}

func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
