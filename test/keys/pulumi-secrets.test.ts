import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { newPulumiKey, openPulumiKey, openPulumiValue, sealPulumiValue } from "../../keys/pulumi-secrets.ts";

// From Pulumi's own tests.
const SALTS: [string, string, string][] = [
  [
    "password",
    "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==",
    "7e700703e28b164e816cb939612c938b8dcf8f8a5237d02824cea3fb656b3a8b",
  ],
  [
    "TestConfigRoundtripComments",
    "v1:ThS5UPxP9qc=:v1:UZYAXF+ylaJ0rGhv:9OTvBnOEDFgxs7btjzSu+LZ470vLpg==",
    "2c87ab85989efcf30f69448a0162c1a8b4f82f2c153000ef3cfd7e497bec262a",
  ],
  [
    "correct horse battery staple",
    "v1:3ZcVRCMzEbk=:v1:A4wYnaSVLIkK0AhS:2SrOnSDh9wVGmoyZt97KYJN3WfDDHA==",
    "b8bdae0632244ab0bd07a582d24c810606e8369f534f97567df93bd4c213dd57",
  ],
  [
    "abc123",
    "v1:4iF78gb0nF0=:v1:Co6IbTWYs/UdrjgY:FSrAWOFZnj9ealCUDdJL7LrUKXX9BA==",
    "5b8afe84bd5b93a6d9468e9d2d9659a4e4c08957bac6cdbdf8f058092956ed72",
  ],
  [
    "123abc",
    "v1:C7H2a7/Ietk=:v1:yfAd1zOi6iY9DRIB:dumdsr+H89VpHIQWdB01XEFqYaYjAg==",
    "1bb98674794b94f20ac757cf83a25bcaf1a9719b94b938e0269537812a2734d7",
  ],
];
const [[, FIRST]] = SALTS as [[string, string, string]];

describe("Pulumi's passphrase secrets", () => {
  it.each(SALTS)("derives the key of %j", async (passphrase, salt, key) => {
    expect((await openPulumiKey("x", salt, Buffer.from(passphrase)))?.toString("hex")).toBe(key);
  });

  it.each(["password123", ""])("does not open with %j", async (passphrase) => {
    expect(await openPulumiKey("x", FIRST, Buffer.from(passphrase))).toBeUndefined();
  });

  it("opens a value of Pulumi's, and one of its own", async () => {
    const [, [passphrase, salt]] = SALTS as [unknown, [string, string]];
    const key = (await openPulumiKey("x", salt, Buffer.from(passphrase))) ?? Buffer.alloc(0);
    expect(openPulumiValue(key, "v1:T1ftqhY0hqr+EJK6:+jvd5PMecFx80tcavzuZY4tLatgIfoe/xR72GA==")?.toString()).toBe(
      "secret-value",
    );
    const sealed = sealPulumiValue(key, Buffer.from("ä"));
    expect(openPulumiValue(key, sealed)?.toString()).toBe("ä");
    expect(openPulumiValue(Buffer.alloc(32), sealed)).toBeUndefined();
    expect(openPulumiValue(key, "v2:AAAA:AAAA")).toBeUndefined();
    expect(openPulumiValue(key, "v1:!!:AAAA")).toBeUndefined();
  });

  it("makes a salt that only its passphrase opens", async () => {
    const { key, salt } = await newPulumiKey(Buffer.from("new one"));
    expect(await openPulumiKey("x", salt, Buffer.from("new one"))).toEqual(key);
    expect(await openPulumiKey("x", salt, Buffer.from("old one"))).toBeUndefined();
    expect((await newPulumiKey(Buffer.from("new one"))).salt).not.toBe(salt);
  });

  it.each([
    "",
    "v2:fozI5u6B030=:v1:a:b",
    "v1:fozI5u6B030",
    "v1:fozI5u6B03:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQH==",
  ])("refuses the malformed salt %j", async (salt) => {
    await expect(openPulumiKey("Pulumi.prod.yaml", salt, Buffer.from("x"))).rejects.toMatchObject({
      message: "Pulumi.prod.yaml: encryptionsalt is malformed",
      exitCode: EXIT.config,
    });
  });
});
