import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Address } from "../../src/protocol/address.ts";
import { sealCode } from "../../src/protocol/code-text.ts";
import { formatIp } from "../../src/protocol/ip.ts";
import { CODE_PREFIX, encodeJoinCode, type JoinCode, parseJoinCode } from "../../src/protocol/join-code.ts";
import { encodeServeSecret, parseServeSecret, type ServeSecret } from "../../src/protocol/serve-secret.ts";
import { codeOf, errorOf } from "../helpers/codes.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const port = fc.integer({ min: 0, max: 65_535 });
const host = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIp),
  fc.stringMatching(/^[a-z][a-z0-9.-]{0,252}$/),
);
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.record({ kind: fc.constant("tcp" as const), host, port }),
  fc.record({
    kind: fc.constant("unix" as const),
    path: fc.stringMatching(/^\/[ -~é]{1,40}[^ ]$/).filter((p) => p.trim() === p && p.isWellFormed()),
  }),
);
const code: fc.Arbitrary<JoinCode> = fc.record({
  direct: fc.boolean(),
  pin: bytes32,
  secret: bytes32,
  addresses: fc.array(address, { maxLength: 4 }),
});

const sample: JoinCode = {
  direct: false,
  pin: new Uint8Array(32).fill(7),
  secret: Uint8Array.from({ length: 32 }, (_, at) => at * 5),
  addresses: [
    { kind: "tcp", host: "web1.example.com", port: 7625 },
    { kind: "tcp", host: "10.0.3.7", port: 80 },
    { kind: "tcp", host: "2001:db8::1", port: 65_535 },
    { kind: "unix", path: "/run/sock.socket" },
  ],
};
const text = encodeJoinCode(sample);

describe("join codes", () => {
  test("every code reads back", () => {
    fc.assert(
      fc.property(code, (value) => {
        expect(parseJoinCode(encodeJoinCode(value))).toEqual(value);
      }),
    );
  });

  test("one word that survives shells and double clicks, of bounded length", () => {
    expect(text).toMatch(/^sock1_[0-9A-Za-z]{100,300}$/);
    const longest = Array.from({ length: 4 }, () => ({
      kind: "tcp" as const,
      host: "x".repeat(253),
      port: 65_535,
    }));
    expect(encodeJoinCode({ ...sample, addresses: longest }).length).toBeLessThan(2000);
  });

  test.each([
    ["the whole line", `sock join ${text}`],
    ["with a prompt", `$ sock join ${text}\n`],
    ["indented, Windows line ends", `  sock join ${text}\r\n`],
    ["in quotes", `sock join '${text}'`],
    ["in typographic quotes", `“${text}”`],
    ["as a variable", `export SOCK_JOIN=${text}`],
    ["as a quoted variable", `export SOCK_JOIN="${text}"`],
    ["with options after it", `sock join ${text} --as web1`],
    ["with words after it", `${text} please`],
    ["as a link's end", `(${text}).`],
    ["broken once", `${text.slice(0, 60)}\n${text.slice(60)}`],
    ["broken and indented", `sock join ${text.slice(0, 40)}\r\n    ${text.slice(40, 90)} ${text.slice(90)}`],
    ["broken, with words after it", `${text.slice(0, 60)}\n${text.slice(60)}\nsee you`],
    ["broken in its prefix", `so\nck1_${text.slice(6)}`],
    ["broken right after its prefix", `sock1_\n${text.slice(6)}`],
    ["continued with a backslash", `${text.slice(0, 60)}\\\n${text.slice(60)}`],
    ["quoted in a mail", `> ${text.slice(0, 60)}\n> ${text.slice(60)}`],
    ["with invisible breaks", `${text.slice(0, 60)}\u200b${text.slice(60)}`],
  ])("%s", (_name, pasted) => {
    expect(parseJoinCode(pasted)).toEqual(sample);
  });

  test("broken anywhere, it is healed", () => {
    for (let at = 1; at < text.length; at += 1) {
      expect(parseJoinCode(`${text.slice(0, at)}\n${text.slice(at)}`)).toEqual(sample);
    }
  });

  test("every character cut is found", () => {
    for (let at = 0; at < text.length; at += 1) {
      expect(codeOf(() => parseJoinCode(text.slice(0, at) + text.slice(at + 1)))).toBe("usage");
      expect(codeOf(() => parseJoinCode(text.slice(0, at)))).toBe("usage");
      expect(codeOf(() => parseJoinCode(text.slice(at + 1)))).toBe("usage");
    }
  });

  test("every character changed, added or swapped is found", () => {
    const alphabet = "09AZaz-_ \n.";
    for (let at = 0; at < text.length; at += 1) {
      for (const char of alphabet) {
        const changed = text.slice(0, at) + char + text.slice(at + 1);
        if (changed !== text) expect(codeOf(() => parseJoinCode(changed))).toBe("usage");
        const added = `${text.slice(0, at)}x${text.slice(at)}`;
        if (at > 0) expect(codeOf(() => parseJoinCode(added))).toBe("usage");
      }
      const swapped = text.slice(0, at) + (text[at + 1] ?? "") + (text[at] ?? "") + text.slice(at + 2);
      if (swapped !== text) expect(codeOf(() => parseJoinCode(swapped))).toBe("usage");
    }
  });

  test("an error never holds any of the code", () => {
    const damaged = text.slice(0, -1);
    const error = errorOf(() => parseJoinCode(damaged));
    expect(error).toBeDefined();
    expect(`${error?.message} ${error?.hint}`).not.toContain(damaged.slice(6, 16));
  });

  test.each([
    ["nothing", ""],
    ["only a prefix", "sock1_"],
    ["no code", "hello"],
    ["the server's half", encodeServeSecret({ ...halfOf(), name: "ci" })],
    ["a newer code", `sock2_${text.slice(6)}`],
    ["too long", `sock1_${"z".repeat(1_000_000)}`],
    ["too long for one number", `sock1_${"z".repeat(7_000)}`],
    ["many pieces", `sock1_${"z ".repeat(3_000)}`],
    ["another version", sealed(2, 0)],
    ["unknown flags", sealed(1, 0x10)],
    ["five addresses", sealed(1, 5 << 1)],
    ["fewer addresses than said", sealed(1, 1 << 1)],
    ["bytes left over", sealed(1, 0, [0])],
    ["an unknown kind of address", sealed(1, 1 << 1, [9, 1, 2, 3, 4, 5, 6])],
    ["a name that is none", sealed(1, 1 << 1, [2, 3, 97, 32, 98, 0, 80])],
    ["a name that is not UTF-8", sealed(1, 1 << 1, [2, 1, 255, 0, 80])],
    ["an empty path", sealed(1, 1 << 1, [3, 0])],
  ])("%s is refused", (_name, pasted) => {
    const started = performance.now();
    expect(codeOf(() => parseJoinCode(pasted))).toBe("usage");
    expect(performance.now() - started).toBeLessThan(50);
  });

  test("what can't be in a code is refused when it is made", () => {
    const many = Array.from({ length: 5 }, () => ({ kind: "tcp" as const, host: "a1", port: 1 }));
    expect(codeOf(() => encodeJoinCode({ ...sample, addresses: many }))).toBe("usage");
    expect(
      codeOf(() => encodeJoinCode({ ...sample, addresses: [{ kind: "tcp", host: "a b", port: 1 }] })),
    ).toBe("usage");
    expect(codeOf(() => encodeJoinCode({ ...sample, secret: new Uint8Array(31) }))).toBe("usage");
  });
});

describe("the server's half of a pair", () => {
  test("reads back, with and without an expiry", () => {
    for (const expires of [null, 1_795_000_000_000]) {
      const half: ServeSecret = { ...halfOf(), expires };
      expect(parseServeSecret(`export SOCK_SERVE=${encodeServeSecret(half)}\n`)).toEqual(half);
    }
  });

  test("every character cut or changed is found", () => {
    const whole = encodeServeSecret(halfOf());
    for (let at = 0; at < whole.length; at += 1) {
      expect(codeOf(() => parseServeSecret(whole.slice(0, at) + whole.slice(at + 1)))).toBe("usage");
      const changed = whole.slice(0, at) + (whole[at] === "Q" ? "R" : "Q") + whole.slice(at + 1);
      expect(codeOf(() => parseServeSecret(changed))).toBe("usage");
    }
  });

  test("the client's half is told apart from no code at all", () => {
    expect(() => parseServeSecret("SOCK_JOIN=sock1_xyz")).toThrow("the client's half of a pair (SOCK_JOIN)");
    expect(() => parseServeSecret("xyz")).toThrow("no code in this text");
  });

  test("too much in it, or something else than rights, is refused", () => {
    const cidr = Array.from({ length: 200 }, (_, at) => `10.0.${at}.0/24`);
    expect(codeOf(() => encodeServeSecret({ ...halfOf(), cidr }))).toBe("usage");
    for (const json of ["", "null", "{}", `{"name":"a1","caps":["root"],"scope":"","cidr":[]}`]) {
      const utf8 = new TextEncoder().encode(json);
      const payload = Uint8Array.from([1, ...new Uint8Array(72), 0, utf8.length, ...utf8]);
      expect(codeOf(() => parseServeSecret(sealCode("sockserve1_", payload)))).toBe("usage");
    }
  });
});

function halfOf(): ServeSecret {
  return {
    secret: new Uint8Array(32).fill(3),
    client: new Uint8Array(32).fill(9),
    expires: null,
    name: "ci",
    caps: ["udp", "put"],
    scope: "releases",
    cidr: ["10.0.0.0/8"],
    exec: [["/usr/bin/true", "a b"]],
  };
}

function sealed(version: number, flags: number, addresses: number[] = []): string {
  return sealCode(
    CODE_PREFIX,
    Uint8Array.from([version, flags, ...new Uint8Array(64).fill(1), ...addresses]),
  );
}
