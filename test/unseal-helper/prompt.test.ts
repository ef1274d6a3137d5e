import { PassThrough } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { askSecret } from "../../unseal-helper/prompt.ts";

async function ask(typed: string) {
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), { setRawMode: (mode: boolean) => modes.push(mode) });
  const output = new PassThrough();
  input.write(typed);
  const answer = await askSecret(
    input as unknown as ReadStream,
    output as unknown as WriteStream,
    "Passphrase: ",
  ).catch((error: unknown) => error);
  return { answer, modes, shown: String(output.read()), listeners: input.listenerCount("data") };
}

describe("the prompt", () => {
  it.each([
    ["seven words\r", "seven words"],
    ["line feed\nrest", "line feed"],
    ["typo\x7f\x7fe\r", "tye"],
    ["ü🔑\x7f\x7fok\r", "ok"],
    ["\x7f\x7fok\r", "ok"],
    ["wrong\x15right\r", "right"],
    ["  spaces stay  \r", "  spaces stay  "],
  ])("reads %j", async (typed, expected) => {
    const { answer, modes, shown, listeners } = await ask(typed);
    expect(String(answer)).toBe(expected);
    expect({ modes, shown, listeners }).toEqual({ modes: [true, false], shown: "Passphrase: \n", listeners: 0 });
  });

  it.each([
    ["abc\x03", "interrupted", EXIT.interrupted],
    ["\x04", "passphrase: none given", EXIT.passphrase],
  ])("leaves the terminal sane after %j", async (typed, message, exitCode) => {
    const { answer, modes, shown } = await ask(typed);
    expect(answer).toMatchObject({ message, exitCode });
    expect({ modes, shown }).toEqual({ modes: [true, false], shown: "Passphrase: \n" });
  });
});
