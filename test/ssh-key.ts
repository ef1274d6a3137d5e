import ssh2 from "ssh2";

/** A new key pair; the public one begins with `ssh-ed25519 AAAA…`. */
export function newSshKey(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519");
    // One in some four hundred of ssh2's is malformed, which neither it nor OpenSSH reads.
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}
