import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loginToVault } from "../../cli/vault-client.ts";
import type { VerifyContext } from "../../cli/verify/context.ts";
import type { OpenStack } from "../../cli/stack.ts";
import { openVerifyContext } from "./context.ts";
import { issueToken } from "./load/issues.ts";
import { foundation, onVm } from "./rig.ts";
import { logs, oneStep, said, upWithRunner, Workflows, type Ended } from "./workflows.ts";

// Jobs of Actions, by what users do: push a workflow, and see what its jobs could and could not. The rig's stack gets the
// runner with rootless containers; how it comes back after a rebuild is in 93-rebuild-tenants.

let forge: Workflows;
let token: string;
let context: VerifyContext;
let stack: OpenStack;
const id = `actions-${randomBytes(3).toString("hex")}`;

beforeAll(async () => {
  await upWithRunner({ "foundation:consumers": [{ name: "builds", repositories: ["app"] }, { name: "strangers" }] });
  ({ context, stack } = await openVerifyContext());
  token = await issueToken(context, id);
  forge = new Workflows(context, token);
});

let seconds = 0;
afterAll(async () => {
  // Logs, artifacts and pictures of new organisations take half a gigabyte of its memory each.
  expect(await onVm("docker inspect forgejo --format '{{.RestartCount}}'"), "the forge was killed").toBe("0\n");
  console.log(
    `first green run ${seconds.toFixed(1)} s; hostile: ${String(attempts)} attempts, ${String(successes)} successes`,
  );
});

describe("a pushed workflow", () => {
  test("is run", async () => {
    const repository = await forge.create(`${id}-first`);
    const run = await forge.run(repository, oneStep("echo SAYS $(node --version) in $(id -u)"));
    expect(run.conclusion, logs(run)).toBe("success");
    expect(said(run)).toEqual([expect.stringMatching(/^v\d+\.\d+\.\d+ in 0$/)]);
    seconds = run.seconds;
  });

  test("checks out, hands an artifact on, publishes a package and an image, and another job consumes both", async () => {
    const repository = await forge.create(`${id}-supply`, { PACKAGES: token });
    const run = await forge.run(repository, SUPPLY, {
      "package.json": JSON.stringify({ name: `@platform/${id}`, version: "1.0.0", main: "index.js" }),
      "index.js": 'module.exports = "consumed";\n',
    });
    expect(run.conclusion, logs(run)).toBe("success");
    expect(said(run)).toEqual(["built", "npm consumed", "image from-the-job"]);
  });
});

const SUPPLY = `on: push
env:
  NAME: ${id}
jobs:
  publish:
    runs-on: foundation
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { registry-url: "https://git.foundation.test/api/packages/platform/npm/", scope: "@platform" }
      - shell: bash
        env: { NODE_AUTH_TOKEN: "\${{ secrets.PACKAGES }}" }
        run: |
          npm publish --no-audit
          mkdir -p layer out && echo from-the-job >layer/answer
          tar -C layer -cf out/layer.tar . && digest=$(sha256sum out/layer.tar | cut -d' ' -f1)
          mkdir -p oci/blobs/sha256 && mv out/layer.tar oci/blobs/sha256/$digest
          config='{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:'$digest'"]},"config":{}}'
          printf %s "$config" >c && c=$(sha256sum c | cut -d' ' -f1) && mv c oci/blobs/sha256/$c
          printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' $c $(stat -c %s oci/blobs/sha256/$c) $digest $(stat -c %s oci/blobs/sha256/$digest) >m
          m=$(sha256sum m | cut -d' ' -f1) && size=$(stat -c %s m) && mv m oci/blobs/sha256/$m
          echo '{"imageLayoutVersion":"1.0.0"}' >oci/oci-layout
          printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s}]}' $m $size >oci/index.json
          skopeo copy --quiet --insecure-policy --dest-creds "operator:$NODE_AUTH_TOKEN" oci:oci docker://git.foundation.test/platform/$NAME:1
          echo built >built.txt
      - uses: actions/upload-artifact@v4
        with: { name: result, path: built.txt }
  consume:
    runs-on: foundation
    needs: publish
    steps:
      - uses: actions/download-artifact@v4
        with: { name: result }
      - uses: actions/setup-node@v4
        with: { registry-url: "https://git.foundation.test/api/packages/platform/npm/", scope: "@platform" }
      - shell: bash
        env: { NODE_AUTH_TOKEN: "\${{ secrets.PACKAGES }}" }
        run: |
          echo SAYS $(cat built.txt)
          npm install --no-audit --silent @platform/$NAME
          echo SAYS npm $(node -p "require('@platform/$NAME')")
          skopeo copy --quiet --insecure-policy --src-creds "operator:$NODE_AUTH_TOKEN" docker://git.foundation.test/platform/$NAME:1 dir:image
          for layer in image/*; do tar -xOf $layer ./answer 2>/dev/null || true; done >answer
          echo SAYS image $(cat answer)
`;

/** A job that reads a secret of the consumer `builds`, with what a forge without identities for jobs has. */
const readsSecret = (path: string, key: string, script: string) => `on: push
jobs:
  only:
    runs-on: foundation
    steps:
      - uses: actions/vault-secrets@v4
        with:
          role: builds
          role-id: \${{ secrets.VAULT_ROLE_ID }}
          secret-id: \${{ secrets.VAULT_SECRET_ID }}
          secrets: |
            ${path} ${key} | READ
      - shell: bash
        run: |
          ${script}
`;

/** Of the errors that steps made. */
const errors = (run: Ended): string[] =>
  [...logs(run).matchAll(/(?:::|\[)error(?:::|\])(vault-secrets: .*)$/gm)].map(([, text = ""]) => text.trim());

describe("secrets of Vault in a job, by the fallback", () => {
  const OWN = "consumers/builds/forge";

  test("are there once somebody has logged its organisation in, and are not read in its log", async () => {
    const { code, stdout, stderr } = await foundation(["consumer", "ci-login", "builds", "--ttl", "30m"]);
    expect([code, stdout.split("\n")[0]], stderr).toEqual([
      0,
      "fallback: for 30m, jobs of builds have what builds has in Vault.",
    ]);
    const operator = stack.secrets.vaultAppRole("operator");
    const session = await loginToVault(context.http, `https://${context.sites.vault}`, operator);
    const { token: secret = "" } = await session.read(OWN);
    await session.end();
    expect(secret).not.toBe("");
    const script = `echo SAYS $(printf %s "$READ" | sha256sum | cut -d' ' -f1)
          echo "LEAK $READ"`;
    const run = await forge.run("builds/app", readsSecret(OWN, "token", script));
    expect(run.conclusion, logs(run)).toBe("success");
    expect(said(run)).toEqual([createHash("sha256").update(secret).digest("hex")]);
    expect(logs(run)).toMatch(/LEAK \*\*\*/);
    expect(logs(run)).not.toContain(secret);
    expect(logs(run)).toContain("fallback: an AppRole's secret id, because the forge does not vouch for this job");
  });

  test.each(["consumers/builds/vault", "consumers/strangers/forge", "forgejo/admin", "ci/deploy"])(
    "are not those of %s",
    async (path) => {
      const run = await forge.run("builds/app", readsSecret(path, "token", 'echo SAYS "$READ"'));
      expect([run.conclusion, said(run)], logs(run)).toEqual(["failure", []]);
      expect(errors(run).join("; "), logs(run)).toMatch(/permission denied.* \(HTTP 403\)$/);
    },
  );

  test("are not there for another organisation's job, which is told why", async () => {
    const repository = await forge.create(`${id}-no-secret`);
    const run = await forge.run(repository, readsSecret(OWN, "token", 'echo SAYS "$READ"'));
    expect([run.conclusion, said(run)], logs(run)).toEqual(["failure", []]);
    expect(errors(run).join("; "), logs(run)).toMatch(/^vault-secrets: the forge does not vouch for this job\. /);
  });
});

let attempts = 0;
let successes = 0;

/** Lines `TRY name: got` of a job; `no` is the only answer that is right. */
function judge(run: Ended, expected: number): void {
  const tried = [...logs(run).matchAll(/^\S+ TRY (.*): (\S.*)$/gm)].map(([, name = "", got = ""]) => [
    name,
    got.trim(),
  ]);
  attempts += tried.length;
  const got = tried.filter(([, answer]) => answer !== "no");
  successes += got.length;
  expect(got, logs(run)).toEqual([]);
  expect(tried.length, logs(run)).toBe(expected);
}

describe("a hostile job", () => {
  test("reaches no port but the web server's", async () => {
    const template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    const list = await onVm(
      `for c in postgres:5432 rustfs:9000 vault:8200 forgejo:3000 forgejo:2222 caddy:8081 runner:22; do for ip in $(docker inspect --format '${template}' \${c%:*}); do echo $ip:\${c#*:}; done; done; ` +
        "for ip in $(hostname -I) 127.0.0.1 169.254.1.2; do echo $ip:22; echo $ip:8200; echo $ip:2375; done; ip -4 route show default | awk '{print $3\":22\"}'; echo 169.254.169.254:80",
    );
    const targets = [...new Set(list.split("\n").filter(Boolean))];
    const repository = await forge.create(`${id}-ports`);
    const run = await forge.run(
      repository,
      oneStep(`reach() { timeout 2 bash -c "exec 3<>/dev/tcp/\${1%:*}/\${1##*:}" 2>/dev/null && echo yes || echo no; }
echo SAYS git $(curl -fsS -o /dev/null -w '%{http_code}' https://git.foundation.test/api/healthz)
for target in ${targets.join(" ")}; do echo "TRY $target: $(reach $target)"; done`),
    );
    expect(said(run), logs(run)).toEqual(["git 200"]);
    judge(run, targets.length);
  });

  test("gets nothing of the host, whatever it asks its container for", async () => {
    const repository = await forge.create(`${id}-host`);
    const container = `    container:
      image: IMAGE
      volumes: ["/:/host", "/run/foundation-runner:/engine", "/var/run/docker.sock:/docker.sock"]
      options: --privileged --network=host --cap-add=ALL --security-opt=seccomp=unconfined -v /:/host2
`;
    const image = await onVm("docker exec runner sed -n 's#.*docker://##p' /etc/foundation/config.yml");
    const script = `try() { if (eval "$2") >/dev/null 2>&1; then echo "TRY $1: yes"; else echo "TRY $1: no"; fi; }
try "host directory" "ls /host/etc || ls /host2/etc"
try "Docker's socket" "curl -fsS --unix-socket /docker.sock http://d/version || curl -fsS --unix-socket /var/run/docker.sock http://d/version"
try "the engine's socket" "curl -fsS --unix-socket /engine/podman.sock http://d/version || curl -fsS --unix-socket /run/foundation-runner/podman.sock http://d/version"
try "files of the services" "ls /proc/[0-9]*/root/etc/foundation/token /proc/[0-9]*/root/etc/foundation/vault"
try "somebody else's environment" "grep -l -a PASSWORD /proc/[0-9]*/environ"
try "a disk" "dd if=/dev/vda of=/dev/null count=1 || dd if=/dev/loop0 of=/dev/null count=1 || (mknod /tmp/d b 7 0 && dd if=/tmp/d of=/dev/null count=1)"
try "kernel settings" "echo 1 >/proc/sys/kernel/sysrq"
try "the engine's processes" "for p in /proc/[0-9]*; do case \\$(tr '\\\\0' ' ' <\\$p/cmdline) in podman*|*conmon*) kill -STOP \\\${p#/proc/} && exit 0 ;; esac; done; exit 1"
try "the VM's SSH through its network" "timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22'"
try "Vault through its network" "timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8200'"`;
    const asked = container.replace("IMAGE", image);
    judge(await forge.run(repository, oneStep(script, asked)), 10);
    // The host's processes: a container that asks for them is not made.
    const processes = await forge.run(repository, oneStep("echo SAYS $$", asked.replace("--privileged", "--pid=host")));
    attempts += 1;
    expect([processes.conclusion, said(processes)], logs(processes)).toEqual(["failure", []]);
  });

  test("leaves nothing for the next job, and finds nothing of it", async () => {
    const secret = `s3cret-${randomBytes(6).toString("hex")}`;
    const repository = await forge.create(`${id}-left`, { OWN: secret });
    const left = await forge.run(
      repository,
      oneStep(`printf %s "\${{ secrets.OWN }}" >/opt/hostedtoolcache/left 2>/dev/null || true
printf %s "\${{ secrets.OWN }}" >/tmp/left
setsid nohup bash -c 'LEFT=1 exec sleep 1000' >/dev/null 2>&1 &`),
    );
    expect(left.conclusion, logs(left)).toBe("success");
    const other = await forge.create(`${id}-finds`);
    const script = `try() { if (eval "$2") >/dev/null 2>&1; then echo "TRY $1: yes"; else echo "TRY $1: no"; fi; }
try "a file in the tools" "ls /opt/hostedtoolcache/left"
try "a file" "ls /tmp/left"
try "a process" "pgrep -f 'sleep 1000'"
try "its secret by name" "test -n '\${{ secrets.OWN }}'"
try "the other repository" "git clone https://x:\${{ github.token }}@git.foundation.test/${repository}.git"
try "the runner's token" "find / -xdev -name token -path '*foundation*' | grep ."
try "a neighbour" "for i in 10.89.0 10.89.1 10.88.0; do for n in 1 2 3 4 5; do timeout 1 bash -c \\"exec 3<>/dev/tcp/\\$i.\\$n/22\\" && exit 0; done; done; exit 1"`;
    judge(await forge.run(other, oneStep(script)), 7);
  });

  test("gets no file out of its place by an artifact", async () => {
    const repository = await forge.create(`${id}-artifact`);
    const run = await forge.run(repository, ARTIFACT);
    judge(run, 2);
  });

  test("takes its own limits and nobody else's", async () => {
    const repository = await forge.create(`${id}-limits`);
    const script = `try() { if (eval "$2") >/dev/null 2>&1; then echo "TRY $1: yes"; else echo "TRY $1: no"; fi; }
try "more disk than it has" "head -c 20G /dev/zero >/big"
rm -f /big
try "more memory than it has" "node -e 'const a=[];for(let i=0;i<80;i++)a.push(Buffer.alloc(50e6,1))'"
try "more processes than it has" "for i in \\$(seq 3000); do sleep 20 & done"
bomb() { bomb | bomb & }
bomb 2>/dev/null; sleep 3; true`;
    const run = await forge.run(repository, oneStep(script));
    judge(run, 3);
    const after = await forge.run(repository, oneStep("echo SAYS alive"));
    expect(said(after), logs(after)).toEqual(["alive"]);
    const states = await onVm("docker ps --format '{{.Names}} {{.Status}}'");
    expect(
      states
        .trim()
        .split("\n")
        .filter((line) => !line.includes("(healthy)")),
    ).toEqual([]);
  });
});

const ARTIFACT = `on: push
jobs:
  make:
    runs-on: foundation
    steps:
      - shell: bash
        run: |
          mkdir -p out && ln -s /etc/passwd out/link && echo real >out/real
          url=$ACTIONS_RUNTIME_URL"_apis/pipelines/workflows/$GITHUB_RUN_ID/artifacts"
          printf x | curl -sS -o /dev/null -X PUT -H "Authorization: Bearer $ACTIONS_RUNTIME_TOKEN" -H 'content-range: bytes 0-0/1' \\
            -H 'x-tfs-filelength: 1' -H "x-actions-results-md5: $(printf x | openssl md5 -binary | base64)" --data-binary @- \\
            "$url/$(printf evil | md5sum | cut -d' ' -f1)/upload?itemPath=evil%2F..%2F..%2F..%2Ftmp%2Fescaped" || true
          curl -sS -o /dev/null -X PATCH -H "Authorization: Bearer $ACTIONS_RUNTIME_TOKEN" "$url?artifactName=evil" || true
      - uses: actions/upload-artifact@v4
        with: { name: links, path: out }
  take:
    runs-on: foundation
    needs: make
    steps:
      - uses: actions/download-artifact@v4
        with: { name: links, path: in }
      - uses: actions/download-artifact@v4
        continue-on-error: true
        with: { name: evil, path: evil }
      - shell: bash
        run: |
          [ -e in/link ] && echo "TRY a link: yes" || echo "TRY a link: no"
          [ -e /tmp/escaped ] && echo "TRY a file outside: yes" || echo "TRY a file outside: no"
`;
