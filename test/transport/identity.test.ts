import { describe, expect, test } from "bun:test";
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { selfSignedCertificate } from "../../src/transport/certificate.ts";
import { identityFromSecret, newIdentity, spkiHashOf, spkiHashOfKey } from "../../src/transport/identity.ts";
import { codeOf } from "../helpers/codes.ts";
import { temporaryFolder } from "../helpers/temp.ts";

const ORDER = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");

describe("identity", () => {
  test("the same secret is the same key", () => {
    const one = newIdentity();
    const two = identityFromSecret(one.secret);
    expect(two.keyPem).toBe(one.keyPem);
    expect(two.spkiHash).toEqual(one.spkiHash);
    expect(newIdentity().spkiHash).not.toEqual(one.spkiHash);
  });

  test("a secret with leading zeros is a key like any other", () => {
    const secret = new Uint8Array(32);
    secret[31] = 1;
    // 1 times the base point is the base point (SP 800-186)
    const { spki } = identityFromSecret(secret);
    expect(Buffer.from(spki).toString("hex")).toContain(
      "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    );
  });

  test("key, certificate and hash belong together", () => {
    const { certPem, keyPem, spki, spkiHash } = newIdentity();
    const certificate = new X509Certificate(certPem);
    expect(spkiHashOf(certificate)).toEqual(spkiHash);
    expect(spkiHashOfKey(spki)).toEqual(spkiHash);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(createPublicKey(keyPem).equals(certificate.publicKey)).toBe(true);
  });

  test("what is no private key is refused", () => {
    const above = Uint8Array.from(ORDER);
    above[31] = 0x52;
    const below = Uint8Array.from(ORDER);
    below[31] = 0x50;
    for (const secret of [
      new Uint8Array(32),
      ORDER,
      above,
      new Uint8Array(32).fill(255),
      new Uint8Array(31).fill(1),
      new Uint8Array(33).fill(1),
    ]) {
      expect(codeOf(() => identityFromSecret(secret))).toBe("usage");
    }
    expect(identityFromSecret(below).spkiHash).toHaveLength(32);
  });

  test("a peer's key is a point on P-256, and nothing else", () => {
    const { spki } = newIdentity();
    const off = Uint8Array.from(spki);
    off[90] = (off[90] ?? 0) ^ 1;
    const other = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey.export({
      type: "spki",
      format: "der",
    });
    for (const bad of [
      off,
      other,
      spki.subarray(1),
      spki.subarray(0, 90),
      Uint8Array.from([...spki, 0]),
      new Uint8Array(91),
      new Uint8Array(0),
    ]) {
      expect(codeOf(() => spkiHashOfKey(bad))).toBe("protocol");
    }
  });
});

const openssl = Bun.which("openssl");
const opensslTest = openssl === null ? test.skip : test;

describe("certificate", () => {
  opensslTest(
    openssl === null ? "openssl agrees (skipped: there is no openssl here)" : "openssl agrees",
    async () => {
      await using folder = await temporaryFolder();
      const path = folder.join("certificate.pem");
      await Bun.write(path, newIdentity().certPem);
      const run = (...args: string[]): string => Bun.spawnSync(["openssl", ...args]).stdout.toString();
      const text = run("x509", "-in", path, "-text", "-noout");
      expect(text).toContain("Version: 3 (0x2)");
      expect(text).toContain("Signature Algorithm: ecdsa-with-SHA256");
      expect(text).toContain("NIST CURVE: P-256");
      expect(text).toMatch(/Not Before: Jan {2}1 00:00:00 2020 GMT\s+Not After : Dec 31 23:59:59 9999 GMT/);
      expect(run("verify", "-CAfile", path, path)).toContain(": OK");
    },
  );

  test("names of any length and alphabet", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    for (const name of ["x", "服务器", "é".repeat(300), "😀".repeat(64)]) {
      const subject = new X509Certificate(selfSignedCertificate(privateKey, name)).subject;
      expect(subject).toBe(`CN=${Array.from(name).slice(0, 64).join("")}`);
    }
  });
});
