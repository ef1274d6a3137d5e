import * as pulumi from "@pulumi/pulumi";
import { PASSPHRASE, Thing, World } from "./world.ts";

/** What is there when the deployment begins that will be killed. */
export function before(): void {
  const base = new Thing("base", { key: "base", value: "1" });
  new Thing("updated", { key: "updated", value: "1", note: pulumi.secret("old-secret") });
  new Thing("replaced-first", { key: "first", value: "1" }, { replaceOnChanges: ["value"] });
  new Thing("renamed", { key: "old-name" });
  const gone = new Thing("gone", { key: "gone" }, { dependsOn: base });
  new Thing("gone-too", { key: "gone-too", value: gone.serial });
}

/** What it is to become: something of every operation. */
export function after() {
  const base = new Thing("base", { key: "base", value: "1" });
  const updated = new Thing("updated", { key: "updated", value: "2", note: pulumi.secret("new-secret") });
  new Thing("replaced-first", { key: "first", value: "2" }, { replaceOnChanges: ["value"] });
  const renamed = new Thing("renamed", { key: "new-name" });
  new Thing("added", { key: "added", value: pulumi.interpolate`${base.key} ${renamed.key}`, note: updated.note });
  return { note: updated.note };
}

// As a program: runs the deployment in a world and dies, unannounced, at the given moment.
if (import.meta.main) {
  const [directory = "", lastMoment = ""] = process.argv.slice(2);
  const world = new World(directory);
  let moment = 0;
  const live = (): void => {
    moment += 1;
    if (moment === Number(lastMoment)) process.kill(process.pid, "SIGKILL");
  };
  world.onMoment = live;
  await world.up(after, {
    passphrase: PASSPHRASE,
    onEvent: (event) => {
      if (event.kind === "started" || event.kind === "done") live();
    },
  });
}
