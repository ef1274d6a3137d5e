module foundation.test/parts/vault

go 1.25.3

require github.com/hashicorp/vault v1.21.2

// A dependency's own replacements do not reach the modules that depend on it: these are Vault's. Those that point into
// its own repository (api, sdk) are left out; the versions it requires of them are published.
replace (
	github.com/99designs/keyring => github.com/Jeffail/keyring v1.2.3
	github.com/ma314smith/signedxml v1.1.1 => github.com/moov-io/signedxml v1.1.1
)
