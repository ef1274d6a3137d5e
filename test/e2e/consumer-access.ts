import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import type { Http } from "../../cli/http.ts";
import { must, onVm, run } from "./rig.ts";

/** What a consumer was issued, as it stands in Vault below its tree. */
export type Issued = Readonly<
  Record<"forge" | "vault" | "s3" | "database" | "webhook", Readonly<Record<string, string>>>
>;

/** Where the attempts are made from. */
export interface Place {
  readonly directory: string;
  /** PEM */
  readonly ca: string;
  readonly http: Http;
}

/** Whether somebody with these credentials gets what it asks for. Each by the client that people use. */
export interface Attempts {
  /** pushes a commit over HTTPS; @param repository ORGANISATION/NAME */
  push(repository: string): Promise<boolean>;
  clone(repository: string): Promise<boolean>;
  /** @param organisation in whose registry a package is published */
  publish(organisation: string): Promise<boolean>;
  /** an image pushed */
  pushImage(organisation: string): Promise<boolean>;
  putObject(bucket: string): Promise<boolean>;
  list(bucket: string): Promise<boolean>;
  query(database: string): Promise<boolean>;
  readSecret(path: string): Promise<boolean>;
  writeSecret(path: string): Promise<boolean>;
}

export function attemptsOf({ forge, vault, s3, database }: Issued, place: Place): Attempts {
  const { directory, ca, http } = place;
  const caFile = join(directory, "ca.crt");
  writeFileSync(caFile, ca);
  const { username = "", token = "" } = forge;
  const site = (forge.url ?? "").replace("https://", "");
  const environment = { GIT_SSL_CAINFO: caFile, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_GLOBAL: "/dev/null" };
  const remote = (repository: string) => `https://${username}:${token}@${site}/${repository}.git`;
  const succeeds = async (argv: string[], options = {}) => (await run(argv, { environment, ...options })).code === 0;
  const client = new S3Client({
    endpoint: s3.endpoint ?? "",
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: s3.accessKey ?? "", secretAccessKey: s3.secretKey ?? "" },
    requestHandler: { httpsAgent: new Agent({ ca }) },
  });
  const granted = (sent: Promise<unknown>) => sent.then(() => true).catch((error: unknown) => denied(error));
  const withVault = async (method: string, path: string, body?: object): Promise<boolean> => {
    const login = { role_id: vault.roleId, secret_id: vault.secretId };
    const answer = await http("POST", `${vault.address ?? ""}/v1/auth/approle/login`, { body: login });
    if (answer.status !== 200) return false;
    const { auth } = JSON.parse(answer.body.toString()) as { auth: { client_token: string } };
    const headers = { "x-vault-token": auth.client_token };
    const { status } = await http(method, `${vault.address ?? ""}/v1/foundation/data/${path}`, { headers, body });
    // Allowed, and there is nothing: that is the access that was asked for.
    return status === 200 || status === 404;
  };
  return {
    push: async (repository) => {
      const clone = join(directory, randomUUID());
      const git = (...args: string[]) => must(["git", "-C", clone, ...args], { environment });
      mkdirSync(clone);
      await git("init", "--quiet", "--initial-branch", "main");
      await git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "--message", clone);
      return await succeeds(["git", "-C", clone, "push", "--force", remote(repository), "main"]);
    },
    clone: (repository) => succeeds(["git", "clone", "--quiet", remote(repository), join(directory, randomUUID())]),
    publish: async (organisation) => {
      const project = join(directory, randomUUID());
      const registry = `//${site}/api/packages/${organisation}/npm/`;
      mkdirSync(project);
      const manifest = { name: `@${organisation}/${randomUUID().slice(0, 8)}`, version: "1.0.0" };
      writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
      const lines = [
        `@${organisation}:registry=https:${registry}`,
        `${registry}:_authToken=${token}`,
        `cafile=${caFile}`,
      ];
      writeFileSync(join(project, ".npmrc"), `${lines.join("\n")}\n`);
      const settings = { npm_config_userconfig: join(project, ".npmrc"), npm_config_cache: join(directory, "npm") };
      return await succeeds(["npm", "publish", "--loglevel=error", "--fetch-retries=0", project], {
        environment: { ...WITHOUT_NPM, ...settings },
      });
    },
    pushImage: async (organisation) => {
      const image = `${site}/${organisation}/${randomUUID().slice(0, 8)}:1`;
      const docker = (...args: string[]) => ["docker", "--config", join(directory, `docker-${username}`), ...args];
      await must(["sh", "-c", `tar --create --directory=${directory} ca.crt | docker import - ${image}`]);
      try {
        const login = docker("login", "--username", username, "--password-stdin", site);
        if (!(await succeeds(login, { input: token }))) return false;
        return await succeeds(docker("push", "--quiet", image));
      } finally {
        await run(["docker", "image", "rm", "--force", image]);
      }
    },
    putObject: (bucket) => granted(client.send(new PutObjectCommand({ Bucket: bucket, Key: "x", Body: "x" }))),
    list: (bucket) => granted(client.send(new ListObjectsV2Command({ Bucket: bucket }))),
    query: async (name) => {
      // Not over the loopback, which the server trusts.
      const psql = `docker exec -i postgres sh -c 'read -r PGPASSWORD; export PGPASSWORD; psql -h postgres -U ${database.username ?? ""} -d ${name} -Atqc "CREATE TABLE IF NOT EXISTS mine (id int)"'`;
      return await onVm(psql, `${database.password ?? ""}\n`).then(
        () => true,
        () => false,
      );
    },
    readSecret: (path) => withVault("GET", path),
    writeSecret: (path) => withVault("POST", path, { data: { written: "yes" } }),
  };
}

/** What runs these tests is started by npm, whose settings would go before those of the file. */
const WITHOUT_NPM = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.toLowerCase().startsWith("npm_"))
    .map((name) => [name, undefined]),
);

/** Only a refusal is one: a server that does not answer is not what these tests are about. */
function denied(error: unknown): false {
  const { name, $metadata: metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
  if (metadata?.httpStatusCode === 403) return false;
  throw new Error(name, { cause: error });
}
