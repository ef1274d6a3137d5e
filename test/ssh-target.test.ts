import { describe, expect, it } from "vitest";
import { sshArguments, sshOptions } from "../ssh-target.ts";

const target = { address: "203.0.113.7", user: "debian", port: 2022, hostKey: "ssh-ed25519 AAAA" };

describe("options for ssh", () => {
  it("pin the one host key and ask nobody anything", () => {
    expect(sshOptions(target).join(" ")).toBe(
      "-o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null" +
        " -o KnownHostsCommand=/bin/echo %H ssh-ed25519 AAAA -o HostKeyAlgorithms=ssh-ed25519" +
        " -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o LogLevel=ERROR",
    );
  });

  it.each([
    ["ssh-ed25519 AAAA", "ssh-ed25519"],
    ["ecdsa-sha2-nistp256 AAAA", "ecdsa-sha2-nistp256"],
    ["ssh-rsa AAAA", "rsa-sha2-512,rsa-sha2-256"],
  ])("ask for signatures of the pinned key's type: %s", (hostKey, algorithms) => {
    expect(sshOptions({ ...target, hostKey })).toContain(`HostKeyAlgorithms=${algorithms}`);
  });

  it("end with the destination, which cannot be taken for an option", () => {
    expect(sshArguments(target).slice(-6)).toEqual(["-p", "2022", "-l", "debian", "--", "203.0.113.7"]);
  });
});
