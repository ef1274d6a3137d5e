import { existsSync } from "node:fs";
import type { Exec } from "../exec.ts";
import type { Capabilities } from "./machine.ts";

/** Tries out what VM containers may do here. @param image any image with a shell in it */
export async function detectCapabilities(exec: Exec, image: string): Promise<Capabilities> {
  const trial = ["docker", "run", "--rm", "--network=none", "--privileged", "--entrypoint=", image, "true"];
  const { code } = await exec(trial, { mayFail: true });
  const { stdout } = await exec(["docker", "info", "--format", "{{.CgroupVersion}}"]);
  return {
    privileged: code === 0,
    cgroupVersion: stdout.trim() === "2" ? 2 : 1,
    devices: ["/dev/net/tun", "/dev/fuse", "/dev/loop-control"].filter((device) => existsSync(device)),
  };
}
