import { randomInt } from "node:crypto";
import { type Ended, onVm, type RunOptions } from "./rig.ts";

/** A line with which the engine says that a step begins, still lasts, or has been done. */
const STEP = /(?:^|engine: )[+~±-] \S+ \S+ (?:creat|updat|replac|delet)(?:ing…|ed )/;

/** A deployment that resumes where the former one was killed. */
type Deploy = (options: RunOptions) => Promise<Ended>;

/**
 * Runs a deployment again and again, and kills it and everything that it has started by SIGKILL, each time after a random
 * number of lines about steps. Ends early where one got through.
 *
 * @returns the line after which each was killed
 * @throws Error where one fails by itself
 */
export async function killAtSteps(deploy: Deploy, kills: number, linesBetween: number): Promise<string[]> {
  const killedAfter: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    let left = randomInt(1, linesBetween);
    let last = "";
    const killOn = (line: string): boolean => {
      if (left === 0 || !STEP.test(line)) return false;
      last = line.trim();
      return --left === 0;
    };
    const { code, stdout, stderr } = await deploy({ killOn });
    if (code === 0) break;
    // A deployment that was killed before has to go on, not to fail.
    if (code !== null) throw new Error(`exit ${String(code)}, after ${killedAfter.join(", ")}:\n${stdout}${stderr}`);
    killedAfter.push(last);
  }
  return killedAfter;
}

/**
 * Kills a deployment by SIGKILL while stage 3 fills the stores: a moment after that has said so many lines.
 *
 * @param orphan whether the restore itself goes on on the VM, as when the operator's machine loses its power; otherwise it
 *   is killed as well, as when the VM does
 * @returns what it had said last
 */
export async function killInSeed(deploy: Deploy, lines: number, orphan: boolean): Promise<string> {
  const killed = new AbortController();
  // An orphan of the kill before may still be at work.
  const former = await onVm("docker container inspect --format '{{.Id}}' seed 2>/dev/null || true");
  const deployment = deploy({ killedBy: killed.signal });
  const said = await onVm(`timeout 180 bash -c '
    new() { docker container inspect --format "{{.State.Running}} {{.Id}}" seed 2>/dev/null | grep ^true | grep -qvw "${former.trim() || "none"}"; }
    until new && [ "$(docker logs seed 2>&1 | grep -c "^seed: ")" -ge ${String(lines)} ]; do sleep 0.02; done
    sleep 0.${String(randomInt(1, 10))}
    docker logs --tail 1 seed 2>&1
    ${orphan ? "true" : "docker kill --signal KILL seed >/dev/null 2>&1 || true"}'`);
  killed.abort();
  await deployment;
  return said.trim();
}
