import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DOMAIN } from "./files.ts";

const BEGIN = "# foundation sandbox: begin";
const END = "# foundation sandbox: end";

/** Names under which the sandbox's sites are reached from this machine. */
export const SITES = [DOMAIN, `git.${DOMAIN}`, `vault.${DOMAIN}`, `s3.${DOMAIN}`];

const CERTIFICATES = `/etc/docker/certs.d/git.${DOMAIN}`;

// The address line and the end may be missing where a write was cut short; what follows is not ours in any case.
const BLOCK = new RegExp(`^${BEGIN}\n(?:[\\d.]+ ${DOMAIN} .*\n)?(?:${END}\n)?`, "m");

/** The content of a hosts file with the sandbox's block in it, replaced or at the end; without an address, without it. */
export function withHostsBlock(content: string, address: string | undefined): string {
  if (address === undefined) return content.replace(BLOCK, "");
  const block = `${BEGIN}\n${address} ${SITES.join(" ")}\n${END}\n`;
  if (BLOCK.test(content)) return content.replace(BLOCK, block);
  return `${content}${content === "" || content.endsWith("\n") ? "" : "\n"}${block}`;
}

/** Makes the sites' names resolve on this machine. */
export function publishNames(address: string, file = "/etc/hosts"): void {
  const content = readFileSync(file, "utf8");
  const wanted = withHostsBlock(content, address);
  // Rewritten in place: in a container the file is a mount and cannot be replaced.
  if (wanted !== content) writeFileSync(file, wanted);
}

/** Makes this machine's Docker trust the sandbox's image registry. */
export function publishCertificate(pem: string): void {
  mkdirSync(CERTIFICATES, { recursive: true });
  writeFileSync(join(CERTIFICATES, "ca.crt"), pem);
}

export function withdrawNames(file = "/etc/hosts"): void {
  const content = readFileSync(file, "utf8");
  const wanted = withHostsBlock(content, undefined);
  if (wanted !== content) writeFileSync(file, wanted);
}

export function withdrawCertificate(): void {
  rmSync(CERTIFICATES, { recursive: true, force: true });
}
