import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Of the scripts that run on the VM. */
export const DIRECTORY = fileURLToPath(new URL("../../components/scripts", import.meta.url));
const NAMESPACES = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
/** Whether it can be done here. */
export const permitted = spawnSync("unshare", [...NAMESPACES, "iptables", "-S"]).status === 0;
if (!permitted) console.warn("isolated scripts: skipped: needs root, unshare and iptables");

/** How a text ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a bash text where /etc, /run, /var/lib and /usr/local are empty and there is no network but the loopback. */
export function isolated(text: string, input = ""): Ended {
  const prologue = `set -euo pipefail
    mount -t tmpfs tmpfs /run; cp -a /etc/alternatives /run
    for directory in /etc /var/lib /usr/local; do mount -t tmpfs tmpfs $directory; done
    mv /run/alternatives /etc
    echo root:x:0:0::/root:/bin/sh >/etc/passwd
    ip link set lo up
    cd ${DIRECTORY}\n`;
  const { status, stdout, stderr } = spawnSync("unshare", [...NAMESPACES, "bash", "-c", prologue + text], {
    encoding: "utf8",
    input,
  });
  return { code: status, stdout, stderr };
}
