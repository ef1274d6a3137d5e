import { describe, expect, it } from "vitest";
import { parseConfig } from "../../config.ts";
import { EXIT, UserError } from "../../errors.ts";
import { VALID } from "./valid.ts";

const parsed = (...consumers: unknown[]) => parseConfig({ ...VALID, consumers }).consumers;

describe("accepted consumers", () => {
  it("are none unless they are declared", () => expect(parseConfig(VALID).consumers).toEqual([]));

  it("have an organisation and a robot by their name, and nothing else", () => {
    expect(parsed({ name: "ci-team" })).toEqual([
      {
        name: "ci-team",
        organisation: "ci-team",
        robot: "ci-team-robot",
        access: "write",
        repositories: [],
        buckets: [],
        secrets: [],
        webhooks: [],
        ci: { refs: ["refs/heads/main"], events: ["push", "release", "schedule", "workflow_dispatch"] },
        rotation: 0,
        jobsRole: "jobs-ci-team",
        vaultRole: "consumer-ci-team",
      },
    ]);
  });

  it("may be granted everything", () => {
    const everything = {
      name: "my-cluster",
      organisation: "clusters",
      access: "read",
      repositories: ["fleet", "infra.v2"],
      buckets: [{ name: "velero", quota: "50G" }, { name: "loki-chunks" }],
      database: "true",
      secrets: ["consumers/my-cluster/app", "consumers/my-cluster/teams/*"],
      webhooks: [
        { url: "https://flux.example.com:8443/hook/1f~2", events: ["push"], repository: "fleet" },
        { url: "http://git.example.org/x", events: ["release", "package"] },
      ],
      ci: { refs: ["refs/heads/main", "refs/heads/release/*", "refs/tags/*"], events: ["push"] },
      rotation: "3",
    };
    expect(parsed(everything)).toEqual([
      {
        ...everything,
        robot: "my-cluster-robot",
        buckets: [{ name: "velero", quotaBytes: 53_687_091_200 }, { name: "loki-chunks" }],
        s3User: "consumer-my-cluster",
        database: "my_cluster",
        rotation: 3,
        jobsRole: "jobs-my-cluster",
        vaultRole: "consumer-my-cluster--3",
      },
    ]);
  });
});

/** What is wrong (after `config foundation:`) and the command that mends it (after `pulumi config `). */
type Refusal = readonly [consumers: unknown, message: string, hint: string];

function refuses(refusals: readonly Refusal[]): void {
  it.each(refusals)("%j", (consumers, message, hint) => {
    const refused = (): UserError => {
      try {
        parseConfig({ ...VALID, consumers });
      } catch (error) {
        if (error instanceof UserError) return error;
        throw error;
      }
      throw new Error("accepted");
    };
    const error = refused();
    expect(error.message).toBe(`config foundation:${message}`);
    expect(error.hint).toBe(`pulumi config ${hint}`);
    expect(error.exitCode).toBe(EXIT.config);
  });
}

const set = (path: string, value: string): string => `set --path 'foundation:consumers${path}' ${value}`;
const team = (changes: object = {}): object => ({ name: "team", ...changes });
const SHAPE = "is not a name (2 to 30 lower-case letters, digits, single - between them)";

describe("shapes", () =>
  refuses([
    ["team", "consumers: is not a list: team", set("[0].name", "team")],
    [["team"], "consumers[0]: is not an object: team", set("[0].name", "team")],
    [[{}], "consumers[0].name: missing", set("[0].name", "team")],
    [[team({ nmae: 1 })], "consumers[0].nmae: unknown key", "rm --path 'foundation:consumers[0].nmae'"],
    ...["T", "Team", "a", "a_b", "a--b", "team-", "1st", "n".repeat(31)].map((name): Refusal => [
      [{ name }],
      `consumers[0].name: ${SHAPE}: ${name}`,
      set("[0].name", "team"),
    ]),
    [
      [team(), { name: "other", organisation: "o".repeat(40) }],
      "consumers[1].organisation: is not a forge name (lower-case letters, digits, single - _ . between them, at most 39): " +
        "o".repeat(40),
      set("[1].organisation", "team"),
    ],
    [[team({ access: "admin" })], "consumers[0].access: is not one of: read, write: admin", set("[0].access", "write")],
    [
      [team({ repositories: "app" })],
      "consumers[0].repositories: is not a list: app",
      set("[0].repositories[0]", "app"),
    ],
    [
      [team({ buckets: [{ name: "Data" }] })],
      "consumers[0].buckets[0].name: is not a bucket name (3 to 63 lower-case letters, digits, single - between them): Data",
      set("[0].buckets[0].name", "team-data"),
    ],
    [
      [team({ buckets: ["data"] })],
      "consumers[0].buckets[0]: is not an object: data",
      set("[0].buckets[0].name", "team-data"),
    ],
    [
      [team({ buckets: [{ name: "data", quota: "lots" }] })],
      "consumers[0].buckets[0].quota: is not a size such as 500M, 50G or 2T: lots",
      set("[0].buckets[0].quota", "50G"),
    ],
    [[team({ database: "yes" })], "consumers[0].database: is not true or false: yes", set("[0].database", "true")],
    [[team({ rotation: -1 })], "consumers[0].rotation: is not a number from 0 to 9999: -1", set("[0].rotation", "1")],
  ]));

describe("names of the foundation's own", () => {
  const own = (name: string): Refusal => [
    [{ name }],
    `consumers[0].name: is a name of the foundation's own: ${name}`,
    set("[0].name", "team"),
  ];
  refuses([
    ...[
      "postgres",
      "rustfs",
      "vault",
      "forgejo",
      "runner",
      "caddy",
      "backup",
      "foundation",
      "template1",
      "pg-read",
    ].map(own),
    [
      [{ name: "platform" }],
      "consumers[0].name: is an organisation or a user of the foundation's own: platform",
      set("[0].name", "team"),
    ],
    [
      [team({ organisation: "foundation-backup" })],
      "consumers[0].organisation: is an organisation or a user of the foundation's own: foundation-backup",
      set("[0].organisation", "team"),
    ],
    [
      [team({ organisation: "operator" })],
      "consumers[0].organisation: is an organisation or a user of the foundation's own: operator",
      set("[0].organisation", "team"),
    ],
    [[{ name: "explore" }], "consumers[0].name: is a name that the forge reserves: explore", set("[0].name", "team")],
    [
      [team({ buckets: [{ name: "forgejo" }] })],
      "consumers[0].buckets[0].name: is a bucket of the foundation's own: forgejo",
      set("[0].buckets[0].name", "team-data"),
    ],
  ]);
});

describe("two claims to one thing", () =>
  refuses([
    [[team(), team({ organisation: "other" })], "consumers[1].name: is declared twice: team", set("[1].name", "team")],
    [
      [team({ buckets: [{ name: "data" }] }), { name: "other", buckets: [{ name: "mine" }, { name: "data" }] }],
      "consumers[1].buckets[1].name: is claimed by team already: data",
      set("[1].buckets[1].name", "team-data"),
    ],
    [
      [team({ buckets: [{ name: "data" }, { name: "data" }] })],
      "consumers[0].buckets[1].name: is declared twice: data",
      set("[0].buckets[1].name", "team-data"),
    ],
    [
      [team(), { name: "other", organisation: "team" }],
      "consumers[1].organisation: is claimed by team already: team",
      set("[1].organisation", "team"),
    ],
    [
      [team(), { name: "team-robot" }],
      "consumers[1].name: is claimed by team already: team-robot",
      set("[1].name", "team"),
    ],
    [
      [team({ repositories: ["app", "app"] })],
      "consumers[0].repositories[1]: is declared twice: app",
      set("[0].repositories[1]", "app"),
    ],
  ]));

describe("jobs", () => {
  const REF = "is not refs/heads/NAME or refs/tags/NAME, with at most one * at its end";
  const EVENT = "is not one of: push, release, schedule, workflow_dispatch";
  refuses([
    ...["main", "refs/*", "refs/heads/", "refs/pull/1/head", "refs/heads/*/x", "refs/heads/../x y", "*"].map(
      (ref): Refusal => [
        [team({ ci: { refs: [ref] } })],
        `consumers[0].ci.refs[0]: ${REF}: ${ref}`,
        set("[0].ci.refs[0]", "refs/heads/main"),
      ],
    ),
    // Whoever opens a pull request decides what such a job does.
    ...["pull_request", "pull_request_target", "workflow_call", "issue_comment", "Push"].map((event): Refusal => [
      [team({ ci: { events: ["push", event] } })],
      `consumers[0].ci.events[1]: ${EVENT}: ${event}`,
      set("[0].ci.events[1]", "push"),
    ]),
    [[team({ ci: { refs: [] } })], "consumers[0].ci.refs: is empty: []", set("[0].ci.refs[0]", "refs/heads/main")],
    [[team({ ci: { events: [] } })], "consumers[0].ci.events: is empty: []", set("[0].ci.events[0]", "push")],
    [[team({ ci: "main" })], "consumers[0].ci: is not an object: main", set("[0].ci.refs[0]", "refs/heads/main")],
    [[team({ ci: { ref: [] } })], "consumers[0].ci.ref: unknown key", "rm --path 'foundation:consumers[0].ci.ref'"],
  ]);

  it("keep the other default where one is declared", () =>
    expect(parsed(team({ ci: { events: ["push"] } }))[0]?.ci).toEqual({ refs: ["refs/heads/main"], events: ["push"] }));
});

describe("paths in Vault", () => {
  const secret = (path: string, what: string): Refusal => [
    [team({ secrets: [path] })],
    `consumers[0].secrets[0]: ${what}: ${path}`,
    set("[0].secrets[0]", "consumers/team/app"),
  ];
  const outside = "is outside of the consumer's tree consumers/team/";
  const issued = "is where the foundation puts what it issues";
  const shape = "is not a path in Vault (consumers/NAME/app or consumers/NAME/app/*)";
  refuses([
    ...["forgejo/admin", "consumers/other/app", "consumers/team", "consumers/teams/app", "ci/token"].map((path) =>
      secret(path, outside),
    ),
    ...["consumers/team/*", "consumers/team/forge", "consumers/team/s3/x", "consumers/team/vault/*"].map((path) =>
      secret(path, issued),
    ),
    ...["consumers/team/../x", "/consumers/team/x", "consumers/team/+/x", "consumers/team/x*", ""].map((path) =>
      secret(path, shape),
    ),
    [
      [team({ secrets: ["consumers/team/app", "consumers/team/app"] })],
      "consumers[0].secrets[1]: is declared twice: consumers/team/app",
      set("[0].secrets[1]", "consumers/team/app"),
    ],
  ]);
});

describe("webhooks", () => {
  const hook = (changes: object): object =>
    team({ webhooks: [{ url: "https://h.example.com/", events: ["push"], ...changes }] });
  const url = (text: string, what: string): Refusal => [
    [hook({ url: text })],
    `consumers[0].webhooks[0].url: ${what}`,
    set("[0].webhooks[0].url", "https://hooks.example.org/team"),
  ];
  const internal = (text: string, host: string): Refusal => url(text, `is an internal address: ${host}`);
  refuses([
    internal("http://localhost/hook", "localhost"),
    internal("http://127.0.0.1:8200/v1/sys/seal", "127.0.0.1"),
    internal("http://0177.0.0.1/", "0177.0.0.1"),
    internal("http://2130706433/", "2130706433"),
    internal("http://127.0.0.0x1/", "127.0.0.0x1"),
    internal("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
    internal("http://metadata.google.internal/", "metadata.google.internal"),
    internal("http://172.30.4.2:8200/", "172.30.4.2"),
    internal("http://vault:8200/", "vault"),
    internal("http://rustfs.rustfs-forgejo:9000/", "rustfs.rustfs-forgejo"),
    internal("http://Vault.CADDY-Vault:8200/", "vault.caddy-vault"),
    internal("http://vault.:8200/", "vault."),
    internal("https://a.localhost/", "a.localhost"),
    ...[
      "ftp://h.example.com/",
      "https://user:pw@h.example.com/",
      "https://[::1]/",
      "https://h.example.com/?a=1",
      "h",
    ].map((text) => url(text, `is not https://NAME/PATH: ${text}`)),
    [
      [hook({ events: ["push", "pushed"] })],
      "consumers[0].webhooks[0].events[1]: is not one of: create, delete, fork, issue_comment, issues, package, " +
        "pull_request, push, release, repository, wiki: pushed",
      set("[0].webhooks[0].events[1]", "push"),
    ],
    [[hook({ events: [] })], "consumers[0].webhooks[0].events: is empty: []", set("[0].webhooks[0].events[0]", "push")],
    [
      [hook({ repository: "app" })],
      "consumers[0].webhooks[0].repository: is not a repository of this consumer: app",
      set("[0].webhooks[0].repository", "app"),
    ],
    [
      [
        team({
          webhooks: [
            { url: "https://h.example.com/", events: ["push"] },
            { url: "https://h.example.com/", events: ["create"] },
          ],
        }),
      ],
      "consumers[0].webhooks[1].url: is declared twice: https://h.example.com/",
      set("[0].webhooks[1].url", "https://hooks.example.org/team"),
    ],
  ]);
});
