import { describe, expect, it } from "vitest";
import { parseDocument, serialiseDocument, verifyDocument } from "../../keys/signed-document.ts";

const macKey = Buffer.alloc(32, 1);
const text = serialiseDocument({ a: 1 }, macKey);

describe("a signed document", () => {
  it("reads back and verifies", () => {
    const document = parseDocument("f", text);
    expect(document.body).toEqual({ a: 1 });
    verifyDocument("f", document, macKey);
  });

  it("does not verify under another key, be its checksum right", () => {
    const forged = parseDocument("f", serialiseDocument({ a: 2 }, Buffer.alloc(32, 2)));
    expect(() => verifyDocument("f", forged, macKey)).toThrow(
      "f: damaged: its mac does not match: it was changed by somebody without the master key",
    );
  });

  it("has one valid text", () => {
    for (const variant of [text + "\n", text.trimEnd(), text.replace("1", "1.0"), text.replace("{", '{"a":1,')]) {
      expect(() => parseDocument("f", variant)).toThrow("its text is not as written");
    }
  });
});
