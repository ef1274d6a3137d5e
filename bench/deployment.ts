/**
 * Time of a deployment beside `docker compose up --wait` with the same images, limits and health checks.
 *
 *     npm run sandbox && node_modules/.bin/node bench/deployment.ts [ROUNDS]
 *
 * Both start from a VM with Docker and all images and without containers, networks or volumes; rounds alternate. Compose
 * gets the files that the deployment delivered and starts containers, nothing else: no Vault initialisation, no policies,
 * no admin user. The sandbox's data is lost.
 */
import { rmSync } from "node:fs";
import { engine, files, onVm, readConfig, writeConfig } from "../test/e2e/rig.ts";
import { composeProject, type Inspected } from "./compose.ts";
import { median, seconds } from "./statistics.ts";

const BUDGET_RATIO = 1.5;
const DIRECTORY = "/root/peer";

/** The superuser's and the forge's role as the deployment makes them, for a database server that starts empty. */
const INITIAL_SQL = `CREATE ROLE forgejo LOGIN PASSWORD '$password'; CREATE DATABASE forgejo OWNER forgejo;`;

async function clear(): Promise<void> {
  await engine(["destroy", "--unprotect"]);
  await onVm(
    "docker ps -aq | xargs -r docker rm -f; docker volume ls -q | xargs -r docker volume rm; docker network prune -f; true",
  );
  rmSync(files.state, { force: true });
  rmSync(`${files.keys}/sandbox.shares.json`, { force: true });
}

async function deploy(): Promise<void> {
  const { code, stdout, stderr } = await engine(["up"]);
  if (code !== 0) throw new Error(stdout + stderr);
}

async function prepareCompose(): Promise<void> {
  await onVm(
    "docker compose version >/dev/null 2>&1 || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install docker-compose; } >/dev/null 2>&1",
  );
  const inspected = JSON.parse(await onVm("docker inspect $(docker ps -q)")) as Inspected[];
  const project = JSON.stringify(composeProject(inspected, `${DIRECTORY}/initdb`), null, 2);
  await onVm(`mkdir -p ${DIRECTORY}/initdb && chmod 755 /root ${DIRECTORY} && cat >${DIRECTORY}/compose.yaml`, project);
  await preparePasswords();
}

/** Every deployment from nothing delivers other passwords. */
async function preparePasswords(): Promise<void> {
  await onVm(
    `password=$(sed -n 's/^PASSWD = //p' /etc/foundation/forgejo/app.ini); echo "${INITIAL_SQL}" >${DIRECTORY}/initdb/forgejo.sql; chmod 755 ${DIRECTORY}/initdb; chmod 644 ${DIRECTORY}/initdb/*`,
  );
}

const compose = (command: string): Promise<string> =>
  onVm(
    `docker compose --file ${DIRECTORY}/compose.yaml ${command} >${DIRECTORY}/log 2>&1 || { tail -5 ${DIRECTORY}/log >&2; exit 1; }`,
  );

const rounds = Number(process.argv[2] ?? 3);
await clear();
// The backup is healthy when it has a repository, and Compose makes none; so both do without.
writeConfig(files.config, { ...readConfig(), "foundation:offsite": "none" });
await deploy();
await prepareCompose();
const ours: number[] = [];
const theirs: number[] = [];
for (let round = 1; round <= rounds; round++) {
  await clear();
  await preparePasswords();
  theirs.push(await seconds(() => compose("up --wait --detach")));
  await compose("down --volumes");
  await clear();
  ours.push(await seconds(deploy));
  console.log(
    `round ${String(round)}: up ${ours.at(-1)?.toFixed(1) ?? ""} s, compose ${theirs.at(-1)?.toFixed(1) ?? ""} s`,
  );
}
const ratio = median(ours) / median(theirs);
console.log(
  `median: up ${median(ours).toFixed(1)} s, compose ${median(theirs).toFixed(1)} s, ratio ${ratio.toFixed(2)}`,
);
console.log(ratio <= BUDGET_RATIO ? "within the budget of 1.5" : "over the budget of 1.5");
process.exitCode = ratio <= BUDGET_RATIO ? 0 : 1;
