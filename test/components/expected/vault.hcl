ui            = true
disable_mlock = true
log_format    = "json"
api_addr      = "https://vault.example.org"
cluster_addr  = "http://vault:8201"

storage "raft" {
  path    = "/vault/file"
  node_id = "vault-0"

  # The timing for good hardware; the default waits five times as long for an election that one node always wins.
  performance_multiplier = 1
}

listener "tcp" {
  address                               = "0.0.0.0:8200"
  tls_disable                           = true
  x_forwarded_for_authorized_addrs      = ["172.30.4.0/24"]
  x_forwarded_for_reject_not_present    = false
  x_forwarded_for_reject_not_authorized = false
}
