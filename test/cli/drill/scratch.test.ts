import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Phase } from "../../../backup/drill-record.ts";
import { renderJournal } from "../../../backup/restore-journal.ts";
import { formatReport, renderPage } from "../../../cli/drill/report.ts";
import { ScratchRecord, withoutVerdict } from "../../../cli/drill/scratch-record.ts";
import { scratchConfig } from "../../../cli/drill/scratch-stack.ts";
import { parseHostFacts, timeline } from "../../../cli/drill/scratch-timeline.ts";
import { EXIT, UserError } from "../../../errors.ts";
import { HOST_KEY } from "../../config/valid.ts";

/** Of a host whose clock is 1000 s after 1970-01-01 when the drill begins. */
const at = (second: number) => `"${new Date((1000 + second) * 1000).toISOString().replace("Z", "456789Z")}"`;
const journal = (changes: object = {}) =>
  renderJournal({
    version: 1,
    phase: "done",
    mode: "restored",
    request: "auto",
    snapshot: "c".repeat(64),
    backup: "2026-01-31T11:00:00Z",
    seconds: { stage: 2, "volume forgejo-data": 5.5, vault: 0.5 },
    ...changes,
  }).replaceAll("\n", "");
const FACTS = `network=caddy-vault ${at(31)}
network=backup-public ${at(30)}
container=/postgres ${at(41)}
container=/rustfs ${at(40)}
container=/vault ${at(42)}
container=/forgejo ${at(71)}
container=/caddy ${at(80)}
seed=${journal()}
seed_written=1070.000
vault_opened=1075.500
clock=1100.000
`;
const DEPLOYMENT = { started: 1000, began: 1010, ended: 1095, succeeded: true };
const shown = (phases: readonly Phase[]) =>
  phases.map(({ name, outcome, startSecond, seconds }) => [name, outcome, startSecond, seconds]);

describe("the phases of a deployment", () => {
  it("are read from what it has left on the host", () => {
    expect(shown(timeline(parseHostFacts(FACTS), DEPLOYMENT))).toEqual([
      ["preparing", "passed", 0, 10],
      ["host", "passed", 10, 20],
      ["images", "passed", 30, 10],
      ["stores", "passed", 40, 22],
      ["restore: stage", "passed", 62, 2],
      ["restore: volume forgejo-data", "passed", 64, 5.5],
      ["restore: vault", "passed", 69.5, 0.5],
      ["Vault", "passed", 70, 5.5],
      ["Forgejo", "passed", 71, 9],
      ["Caddy", "passed", 80, 15],
    ]);
  });

  it("end where it stopped: before anything was there", () => {
    const stopped = { ...DEPLOYMENT, succeeded: false };
    expect(shown(timeline(parseHostFacts("clock=1100.000\n"), stopped))).toEqual([
      ["preparing", "passed", 0, 10],
      ["host", "error", 10, 85],
    ]);
  });

  it("end where it stopped: in the restore, of which the journal was written at its beginning", () => {
    const cut = FACTS.replace(journal(), journal({ phase: "restoring", seconds: {} }))
      .replace(/.*(forgejo|caddy|vault_opened).*\n/g, "")
      .replace("container=/postgres", `network=x ${at(30)}\ncontainer=/postgres`);
    expect(shown(timeline(parseHostFacts(cut), { ...DEPLOYMENT, succeeded: false }))).toEqual([
      ["preparing", "passed", 0, 10],
      ["host", "passed", 10, 20],
      ["images", "passed", 30, 10],
      ["stores", "passed", 40, 30],
    ]);
  });

  it("end where it stopped: after the restore", () => {
    const cut = FACTS.replace(/container=.(caddy) .*\n|vault_opened.*\n/g, "");
    expect(shown(timeline(parseHostFacts(cut), { ...DEPLOYMENT, succeeded: false })).slice(-2)).toEqual([
      ["Vault", "error", 70, 25],
      ["Forgejo", "error", 71, 24],
    ]);
  });

  it("are none of an answer that was cut off", () => {
    expect(() => parseHostFacts("seed_written=1")).toThrow("drill: the scratch host's answer was cut off");
  });
});

describe("the stack of a drill", () => {
  const host = { address: "198.51.100.20", user: "debian", port: 2200, hostKey: HOST_KEY };
  const drill = { asVm: "0123456789abcdef".repeat(2) };

  it("is the real one on another host, without a way to be taken for it", () => {
    const text = `# ours
encryptionsalt: v1:abc
config:
  foundation:domain: example.org
  foundation:host: {address: 203.0.113.7, hostKey: x, port: 23}
  foundation:tls:
    mode: acme
    email: ops@example.org
  foundation:seed: fresh
  foundation:offsite:
    repository: s3:https://s3.example.net/bucket
    secretAccessKey:
      secure: v1:def
`;
    expect(parse(scratchConfig(text, { host, drill, keys: "/tmp/x/keys" }))).toEqual({
      encryptionsalt: "v1:abc",
      config: {
        "foundation:domain": "example.org",
        "foundation:host": host,
        "foundation:keyDirectory": "/tmp/x/keys",
        "foundation:tls": { mode: "internal" },
        "foundation:runner": { enabled: false },
        "foundation:seed": "auto",
        "foundation:drill": drill,
        "foundation:offsite": { repository: "s3:https://s3.example.net/bucket", secretAccessKey: { secure: "v1:def" } },
      },
    });
  });
});

describe("the verdict", () => {
  const error = (exitCode: UserError["exitCode"]) => new UserError("restic: pack 1234 is damaged", "look", exitCode);
  const phase = (name: string, outcome: Phase["outcome"]): Phase => {
    return { name, outcome, startSecond: 0, seconds: 1, detail: name, problems: outcome === "failed" ? ["bad"] : [] };
  };
  const of = (fill: (record: ScratchRecord) => void) => {
    const record = new ScratchRecord();
    fill(record);
    const { outcome, exitCode } = record.report("a".repeat(16));
    return [outcome, exitCode];
  };

  it("is that everything came back", () => {
    expect(of((record) => record.add([phase("host", "passed")]))).toEqual(["passed", EXIT.ok]);
  });

  it("is on the backup where a check or the restore fails, whatever else went wrong", () => {
    expect(of((record) => record.failed("restore", 0, error(EXIT.failed)))).toEqual(["failed", EXIT.failed]);
    const both = (record: ScratchRecord) => record.add([phase("host", "error"), phase("check: git", "failed")]);
    expect(of(both)).toEqual(["failed", EXIT.failed]);
  });

  it("is none where the drill could not look; an exit code 1 of something else does not pass for one", () => {
    const unreachable = (record: ScratchRecord) => {
      record.error("restore", 0, error(EXIT.unreachable));
      record.add([phase("Caddy", "error")]);
    };
    expect(of(unreachable)).toEqual(["error", EXIT.unreachable]);
    expect(of((record) => record.error("drill", 0, error(EXIT.failed)))).toEqual(["error", EXIT.host]);
    expect(withoutVerdict(error(EXIT.failed)).exitCode).toBe(EXIT.host);
  });

  it("stays what it is where the host could not be cleaned up, but somebody has to look", () => {
    const left = (record: ScratchRecord) => {
      record.add([phase("host", "passed")]);
      record.leftBehind(0, new Error("no route to host"));
    };
    expect(of(left)).toEqual(["passed", EXIT.attention]);
  });

  it("says how long the rebuild took, on the page too", () => {
    const record = new ScratchRecord();
    record.add(timeline(parseHostFacts(FACTS), DEPLOYMENT));
    record.backup = { snapshot: "c".repeat(64), run: "", finished: "2026-01-31T11:00:00Z" };
    record.rebuilt = { seconds: 85 };
    const report = { ...record.report("aaaaaaaaaaaaaaaa"), seconds: 100 };
    const verdict =
      "passed: this backup can be restored (backup cccccccc of 2026-01-31T11:00:00Z, rebuilt in 85.0 s, 100.0 s)";
    expect(formatReport(report, 100).split("\n").at(-1)).toBe(verdict);
    expect(renderPage(report)).toContain(verdict);
    expect(renderPage(report)).toContain("<p>Foundation aaaaaaaaaaaaaaaa</p>");
    expect(renderPage(report)).toContain(
      '<tr class="passed"><td>host</td><td>ok</td><td class="time">20.0 s</td>' +
        '<td><div class="bar"><i style="left:10.00%;width:20.00%"></i></div></td>' +
        "<td>packages, Docker, firewall, directories</td></tr>",
    );
  });
});
