import type { ReadStream, WriteStream } from "node:tty";
import { EXIT, UserError } from "../errors.ts";

const BACKSPACE = [0x08, 0x7f];
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const LINE_END = [0x0a, 0x0d];

/**
 * Asks for a secret on the terminal without showing it.
 *
 * Bytes go straight into Buffers; the terminal is put back in every case.
 *
 * @throws UserError (interrupted) on Ctrl-C; (passphrase) on Ctrl-D
 */
export async function askSecret(input: ReadStream, output: WriteStream, question: string): Promise<Buffer> {
  output.write(question);
  input.setRawMode(true);
  try {
    return await readLine(input);
  } finally {
    input.setRawMode(false);
    input.pause();
    output.write("\n");
  }
}

function readLine(input: ReadStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let typed: Buffer = Buffer.alloc(0);
    const finish = (settle: () => void): void => {
      input.off("data", onData);
      settle();
    };
    const onData = (chunk: Buffer): void => {
      for (const byte of chunk) {
        if (LINE_END.includes(byte)) return finish(() => resolve(typed));
        if (byte === CTRL_C)
          return finish(() => reject(new UserError("interrupted", "run the same command again", EXIT.interrupted)));
        if (byte === CTRL_D) {
          return finish(() =>
            reject(new UserError("passphrase: none given", "type it at the prompt", EXIT.passphrase)),
          );
        }
        typed = edited(typed, byte);
      }
    };
    input.on("data", onData);
    input.resume();
  });
}

function edited(typed: Buffer, byte: number): Buffer {
  if (byte === CTRL_U) return Buffer.alloc(0);
  if (!BACKSPACE.includes(byte)) return Buffer.concat([typed, Buffer.from([byte])]);
  // One backspace removes one character, which in UTF-8 is a lead byte and its continuation bytes.
  let end = typed.length - 1;
  while (end > 0 && ((typed[end] ?? 0) & 0xc0) === 0x80) end--;
  return typed.subarray(0, Math.max(end, 0));
}
