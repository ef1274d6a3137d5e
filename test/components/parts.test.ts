import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { hostInstaller } from "../../components/host.ts";
import { bundle, deliverFiles, fingerprint } from "../../components/secret-files.ts";
import { duration } from "../../components/service.ts";
import { ENDPOINTS, gateway, NETWORKS, subnet, type NetworkName } from "../../components/topology.ts";
import { asRoot, digest, script, SCRIPTS, type ScriptName, type Vm } from "../../components/vm.ts";
import { readScripts } from "../../scripts.ts";
import { record, type Recorded } from "../../review/record.ts";
import { isCanonical } from "../../review/policy/containers.ts";

const scripts = Object.fromEntries(SCRIPTS.map((name) => [name, `${name} script\n`])) as Record<ScriptName, string>;
const VM: Vm = {
  target: { address: "203.0.113.7", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" },
  ownerId: "0123456789abcdef",
  fingerprintKey: Buffer.alloc(32, 7),
  scripts,
  subnetPrefix: "172.30",
};

async function only(register: () => unknown): Promise<Recorded> {
  const { resources } = await record(() => Promise.resolve(void register()), { mode: "up" });
  const [resource, ...others] = resources;
  expect(others).toEqual([]);
  return resource as Recorded;
}

describe("durations", () => {
  it.each([
    [1, "1s"],
    [59, "59s"],
    [60, "1m0s"],
    [90, "1m30s"],
    [180, "3m0s"],
    [3599, "59m59s"],
  ])("%i s as Go prints them: %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
    expect(isCanonical(text)).toBe(true);
  });

  it.each(["90s", "1m", "60s", "0m5s", "1h", "1h0s", "05s", "1m00s", ""])("%j is not how Go prints one", (text) => {
    expect(isCanonical(text)).toBe(false);
  });
});

describe("command lines for root", () => {
  it("are bounded in time, and use sudo where the user is another", () => {
    expect(asRoot(VM, 60, ["/usr/local/lib/foundation/s3-bucket", "forgejo"])).toBe(
      "timeout 60 /usr/local/lib/foundation/s3-bucket forgejo",
    );
    const asUser = { ...VM, target: { ...VM.target, user: "debian" } };
    expect(asRoot(asUser, 5, ["true"])).toBe("sudo -n timeout 5 true");
  });

  it("take the words that the program passes", () => {
    const words = ["1000:1000", "ops+forge@example.org", "a-b.c_d", "/etc/foundation"];
    expect(asRoot(VM, 5, words)).toBe(`timeout 5 ${words.join(" ")}`);
  });

  it.each(["", "a b", "$(id)", "`id`", "a;b", "a'b", 'a"b', "a|b", "a&b", "a>b", "*", "~", "a\nb", "\\", "{a,b}", "ä"])(
    "refuse a word that a shell would read: %j",
    (word) => expect(() => asRoot(VM, 5, ["echo", word])).toThrow(new Error(`not a plain word for a shell: ${word}`)),
  );
});

describe("a script on the VM", () => {
  const run = (vm: Vm) =>
    only(() =>
      script(
        "forgejo-admin",
        vm,
        {
          script: "forgejo-admin",
          args: ["operator"],
          stdin: pulumi.secret("password\n"),
          timeoutSeconds: 9,
          triggers: ["x"],
        },
        {},
      ),
    );

  it("is run by name, with its input as a secret and its output kept as one", async () => {
    expect(await run(VM)).toMatchObject({
      type: "command:remote:Command",
      inputs: {
        connection: {
          host: "203.0.113.7",
          port: 22,
          user: "root",
          hostKey: "ssh-ed25519 AAAA",
          dialErrorLimit: 5,
          perDialTimeout: 15,
        },
        create:
          "timeout 9 flock --close /run/foundation-forgejo-admin.lock /usr/local/lib/foundation/forgejo-admin operator",
        stdin: "password\n",
        triggers: [digest("forgejo-admin script\n"), "x"],
        logging: "none",
        addPreviousOutputInEnv: false,
      },
      secrets: ["connection", "stdin"],
      additionalSecretOutputs: ["connection", "stderr", "stdout"],
    });
  });

  it("is run again when its text changes, and not when another's does", async () => {
    const triggers = async (changes: Partial<typeof scripts>) =>
      (await run({ ...VM, scripts: { ...scripts, ...changes } })).inputs.triggers;
    const before = await triggers({});
    expect(await triggers({ "forgejo-admin": "changed\n" })).not.toEqual(before);
    expect(await triggers({ firewall: "changed\n" })).toEqual(before);
  });

  it("has a digest that is the beginning of SHA-256", () => expect(digest("abc")).toBe("ba7816bf8f01cfea"));
});

describe("delivered files", () => {
  it("are one line each, sorted, in base64", () => {
    expect(bundle({ "b.txt": "zwei\n", a: "eins", umlaut: "ä" })).toBe("a ZWlucw==\nb.txt endlaQo=\numlaut w6Q=\n");
    expect(bundle({ x: "1", y: "2" })).toBe(bundle({ y: "2", x: "1" }));
    expect(bundle({})).toBe("");
  });

  it("have a fingerprint that depends on the key, the names and the contents", () => {
    const key = Buffer.alloc(32, 7);
    const print = fingerprint(key, { a: "eins" });
    expect(print).toBe(createHmac("sha256", key).update("a ZWlucw==\n").digest("hex").slice(0, 16));
    const others = [
      fingerprint(Buffer.alloc(32, 8), { a: "eins" }),
      fingerprint(key, { b: "eins" }),
      fingerprint(key, { a: "zwei" }),
      fingerprint(key, { a: "eins", b: "" }),
    ];
    expect(new Set([print, ...others]).size).toBe(5);
  });

  it("are delivered as a secret even where no content is one, with a fingerprint that can be seen", async () => {
    let label: pulumi.Output<string> | undefined;
    const resource = await only(() => {
      label = deliverFiles("vault", VM, { owner: "100:1000", files: { "vault.hcl": "ui = true\n" } }, {}).fingerprint;
    });
    expect(resource).toMatchObject({
      name: "vault-files",
      inputs: {
        create:
          "timeout 60 flock --close /run/foundation-install-files.lock /usr/local/lib/foundation/install-files vault 100:1000",
        stdin: "vault.hcl dWkgPSB0cnVlCg==\n",
      },
      secrets: ["connection", "stdin"],
    });
    expect(await pulumi.isSecret(label as pulumi.Output<string>)).toBe(false);
  });
});

describe("the host's installer", () => {
  it("is host.sh, then every other script put in place, then its main function", () => {
    const text = hostInstaller({ ...scripts, host: "host script\n" });
    const put = (name: string): string => `cat >/usr/local/lib/foundation/${name}.new <<'END_OF_SCRIPT'
${name} script
END_OF_SCRIPT
chmod 0755 /usr/local/lib/foundation/${name}.new
mv -f /usr/local/lib/foundation/${name}.new /usr/local/lib/foundation/${name}
`;
    expect(text).toBe(`host script

install -d -m 0755 /usr/local/lib/foundation
${["firewall", "forgejo-actions", "forgejo-admin", "forgejo-api", "forgejo-consumer", "forgejo-gc", "forgejo-runner", "forgejo-token", "install-files", "postgres-database", "postgres-reader", "postgres-superuser", "runner-rootless", "s3-api", "s3-bucket", "s3-consumer", "seed"].map(put).join("")}main "$@" </dev/null
`);
  });

  const real = readScripts(SCRIPTS);
  it("with the real scripts is a script that bash can read", () => {
    expect(execFileSync("bash", ["-n"], { input: hostInstaller(real), encoding: "utf8" })).toBe("");
  });

  it.each(Object.entries(real))(
    "can carry %s: it ends with a line end and does not hold the delimiter",
    (name, text) => {
      expect(text.endsWith("\n")).toBe(true);
      expect(text.startsWith("#!/usr/bin/env bash\n")).toBe(true);
      if (name !== "host") expect(text.split("\n")).not.toContain("END_OF_SCRIPT");
    },
  );
});

describe("the topology", () => {
  const names = Object.keys(NETWORKS) as NetworkName[];

  it("gives every network a subnet of its own and the gateway in it", () => {
    expect(Object.fromEntries(names.map((name) => [name, [subnet("10.9", name), gateway("10.9", name)]]))).toEqual({
      "postgres-forgejo": ["10.9.1.0/24", "10.9.1.1"],
      "rustfs-forgejo": ["10.9.2.0/24", "10.9.2.1"],
      "caddy-forgejo": ["10.9.3.0/24", "10.9.3.1"],
      "caddy-vault": ["10.9.4.0/24", "10.9.4.1"],
      "caddy-rustfs": ["10.9.5.0/24", "10.9.5.1"],
      "caddy-public": ["10.9.10.0/24", "10.9.10.1"],
      "forgejo-public": ["10.9.11.0/24", "10.9.11.1"],
      "vault-loopback": ["10.9.12.0/24", "10.9.12.1"],
      "runner-caddy": ["10.9.13.0/24", "10.9.13.1"],
      "postgres-backup": ["10.9.14.0/24", "10.9.14.1"],
      "rustfs-backup": ["10.9.15.0/24", "10.9.15.1"],
      "vault-backup": ["10.9.16.0/24", "10.9.16.1"],
      "backup-public": ["10.9.17.0/24", "10.9.17.1"],
      "forgejo-backup": ["10.9.18.0/24", "10.9.18.1"],
    });
  });

  it("keeps bridge names within what Linux allows", () => {
    for (const name of names) expect(`fnd-${String(NETWORKS[name].octet)}`.length).toBeLessThanOrEqual(15);
  });

  it("addresses services by the names of their containers", () => {
    expect(ENDPOINTS).toEqual({
      forgejo: "forgejo:3000",
      postgres: "postgres:5432",
      s3: "rustfs:9000",
      vault: "vault:8200",
    });
  });
});
