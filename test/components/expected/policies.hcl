# operator
path "foundation/data/*" {
  capabilities = ["read"]
}

path "foundation/metadata/*" {
  capabilities = ["list", "read"]
}

# forgejo
path "foundation/data/forgejo/*" {
  capabilities = ["read"]
}

path "foundation/metadata/forgejo/*" {
  capabilities = ["list", "read"]
}

# postgres
path "foundation/data/postgres/*" {
  capabilities = ["read"]
}

path "foundation/metadata/postgres/*" {
  capabilities = ["list", "read"]
}

# rustfs
path "foundation/data/rustfs/*" {
  capabilities = ["read"]
}

path "foundation/metadata/rustfs/*" {
  capabilities = ["list", "read"]
}

# ci
path "foundation/data/ci/*" {
  capabilities = ["read"]
}

path "foundation/metadata/ci/*" {
  capabilities = ["list", "read"]
}

# backup
path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}

path "foundation/data/backup/canary" {
  capabilities = ["create", "update", "read"]
}
