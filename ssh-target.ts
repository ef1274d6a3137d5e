/** One host that is reached over SSH, with the only host key that is accepted from it. */
export interface SshTarget {
  /** DNS name or IP address */
  readonly address: string;
  readonly user: string;
  readonly port: number;
  /** public host key as in `ssh-keyscan`: `ssh-ed25519 AAAA…`, without a comment */
  readonly hostKey: string;
}

/**
 * Options for the system's `ssh` that pin the host key without a known_hosts file.
 *
 * KnownHostsCommand (OpenSSH ≥ 8.5) prints the one accepted key, so the options are the same on every
 * operator's machine: they are stored in Pulumi state, and a path in them would differ per laptop.
 */
export function sshOptions(target: SshTarget): string[] {
  return [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UserKnownHostsFile=/dev/null",
    "GlobalKnownHostsFile=/dev/null",
    `KnownHostsCommand=/bin/echo %H ${target.hostKey}`,
    `HostKeyAlgorithms=${hostKeyAlgorithms(target.hostKey)}`,
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "LogLevel=ERROR",
  ].flatMap((option) => ["-o", option]);
}

/** Argument list of `ssh` up to and including the destination; the remote command may follow. */
export function sshArguments(target: SshTarget): string[] {
  return [...sshOptions(target), "-p", String(target.port), "-l", target.user, "--", target.address];
}

/** One word of a command line for the remote shell, which splits again what ssh has joined. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// An RSA key signs with SHA-2 names that differ from the key's own type; asking for "ssh-rsa" would be refused by current servers.
function hostKeyAlgorithms(hostKey: string): string {
  const type = hostKey.split(" ", 1)[0] ?? "";
  return type === "ssh-rsa" ? "rsa-sha2-512,rsa-sha2-256" : type;
}
