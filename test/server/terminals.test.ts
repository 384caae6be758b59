import { describe, expect, test } from "bun:test";
import { codeOf } from "../helpers/codes.ts";
import { SockError } from "../../src/errors.ts";
import { MAX_TERMINALS_OF_KEY, TERMINAL_UNACKED } from "../../src/protocol/constants.ts";
import {
  type RemoteTerminal,
  type TerminalOptions,
  Terminals,
  type Viewer,
} from "../../src/server/terminals.ts";
import { until } from "../helpers/until.ts";

const encoder = new TextEncoder();
const SIZE = { cols: 80, rows: 24 };
const RAW = "stty raw -echo; echo up; ";

/** A server's terminals, gone with the scope. */
function terminals(lingerMs?: number) {
  const all = new Terminals(lingerMs);
  return Object.assign(all, { [Symbol.asyncDispose]: async () => all.close() });
}

function options(line: string, changes: Partial<TerminalOptions> = {}): TerminalOptions {
  return {
    owner: "kai",
    run: "r1",
    name: undefined,
    argv: ["/bin/sh", "-c", line],
    calledAs: "sh",
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "", TERM: "xterm" },
    ...SIZE,
    ...changes,
  };
}

class Watcher implements Viewer {
  woken = 0;
  acked = 0;
  gone = false;
  wake(): void {
    this.woken += 1;
  }
  taken(at: number): void {
    this.acked = at;
  }
  replaced(): void {
    this.gone = true;
  }
  stopped(): void {
    this.gone = true;
  }
}

/** Everything that is kept from an offset on. */
function output(terminal: RemoteTerminal, from = terminal.from): string {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const piece = terminal.output(from + bytes.length, 1000);
    if (piece.length === 0) return bytes.toString("latin1");
    bytes = Buffer.concat([bytes, piece]);
  }
}

describe("input", () => {
  test("sent again from any offset counts once; a gap is refused", async () => {
    await using all = terminals();
    const terminal = all.open(options(`${RAW} exec cat`));
    await until(() => output(terminal).includes("up"));
    const text = "0123456789";
    const begin = terminal.end;
    terminal.input(0, encoder.encode(text));
    for (let at = 0; at <= text.length; at++) {
      terminal.input(at, encoder.encode(text.slice(at)));
      terminal.input(0, encoder.encode(text.slice(0, at)));
    }
    terminal.input(5, encoder.encode("56789abc"));
    expect(codeOf(() => terminal.input(14, encoder.encode("x")))).toBe("protocol");
    terminal.input(13, encoder.encode("."));
    await until(() => output(terminal, begin).includes("."), "the echo");
    expect(output(terminal, begin)).toBe("0123456789abc.");
    expect([terminal.received, terminal.taken]).toEqual([14, 14]);
  });

  test("that nothing reads: little is taken, as much as there is credit for waits, more is refused", async () => {
    await using all = terminals();
    const terminal = all.open(options(`${RAW} exec sleep 100`));
    const viewer = new Watcher();
    terminal.attach(viewer, SIZE);
    await until(() => output(terminal).includes("up"));
    const piece = new Uint8Array(64 * 1024);
    let sent = 0;
    while (sent - viewer.acked + piece.length <= TERMINAL_UNACKED) {
      terminal.input(sent, piece);
      sent += piece.length;
    }
    expect(sent).toBeLessThan(TERMINAL_UNACKED + 256 * 1024);
    expect(codeOf(() => terminal.input(sent, new Uint8Array(TERMINAL_UNACKED)))).toBe("protocol");
    // who comes new begins where the server is
    terminal.beginAnew();
    expect(terminal.taken).toBe(terminal.received);
    terminal.input(terminal.received, piece);
  });
});

describe("output", () => {
  test("is kept until it was used, and can be read from any offset", async () => {
    await using all = terminals();
    const terminal = all.open(options(`${RAW} printf 0123456789; exec sleep 100`));
    await until(() => output(terminal).endsWith("9"));
    const whole = output(terminal);
    for (let at = 0; at <= whole.length; at++) {
      expect(output(terminal, at)).toBe(whole.slice(at));
      terminal.used(at);
      expect(terminal.from).toBe(at);
      expect(output(terminal)).toBe(whole.slice(at));
    }
    // an older word comes late
    terminal.used(0);
    expect(terminal.from).toBe(whole.length);
    expect(codeOf(() => terminal.used(whole.length + 1))).toBe("protocol");
  });

  test("is held back at a limit, and goes on when it was used", async () => {
    await using all = terminals();
    const terminal = all.open(options(`${RAW} exec yes`));
    const stands = async (): Promise<boolean> => {
      const before = terminal.end;
      await Bun.sleep(100);
      return before >= TERMINAL_UNACKED && terminal.end === before;
    };
    await until(stands, "yes to stand still");
    expect(terminal.end - terminal.from).toBeLessThan(TERMINAL_UNACKED + 256 * 1024);
    const at = terminal.end;
    terminal.used(at);
    await until(() => terminal.end > at, "more of it");
    await until(stands, "yes to stand still again");
    expect(terminal.end - terminal.from).toBeLessThan(TERMINAL_UNACKED + 256 * 1024);
  });

  test("of a program that has ended is all there", async () => {
    await using all = terminals();
    const terminal = all.open(options("seq 1 20000; exit 7"));
    const viewer = new Watcher();
    terminal.attach(viewer, SIZE);
    await until(() => terminal.ended);
    expect(terminal.ended).toEqual({ status: 7, signal: null });
    expect(output(terminal)).toEndWith("19999\r\n20000\r\n");
    // it is kept for its viewer, and gone with it
    expect(all.of("kai")).toHaveLength(1);
    terminal.detach(viewer, false);
    expect(all.of("kai")).toHaveLength(0);
    expect(codeOf(() => all.again("kai", "r1", terminal.id))).toBe("not-found");
  });

  for (const when of ["before", "after"] as const) {
    test(`of one whose viewer was lost ${when} its end waits for that one's run, and nobody else sees it`, async () => {
      await using all = terminals();
      const terminal = all.open(options("read line; seq 1 20000; exit 7", { name: "build" }));
      const viewer = new Watcher();
      terminal.attach(viewer, SIZE);
      if (when === "before") terminal.detach(viewer, true);
      terminal.input(0, encoder.encode("go\n"));
      await until(() => terminal.ended);
      terminal.detach(viewer, true);
      expect(all.of("kai")).toEqual([]);
      expect(codeOf(() => all.find("kai", "build"))).toBe("not-found");
      expect(all.again("kai", "r1", terminal.id)).toBe(terminal);
      terminal.attach(viewer, SIZE);
      expect(output(terminal)).toEndWith("19999\r\n20000\r\n");
      // keys that were on their way are nobody's
      terminal.input(terminal.received, encoder.encode("late"));
      expect(terminal.taken).toBe(7);
      terminal.detach(viewer, false);
      expect(codeOf(() => all.again("kai", "r1", terminal.id))).toBe("not-found");
    });
  }

  test("of one whose viewer left is gone with it, and what waits for nobody any more is too", async () => {
    await using all = terminals(50);
    const [left, lost] = [all.open(options("read line")), all.open(options("read line"))];
    for (const terminal of [left, lost]) {
      const viewer = new Watcher();
      terminal.attach(viewer, SIZE);
      terminal.detach(viewer, terminal === lost);
      terminal.input(0, encoder.encode("go\n"));
    }
    await until(() => left.ended !== undefined && lost.ended !== undefined);
    expect(codeOf(() => all.again("kai", "r1", left.id))).toBe("not-found");
    await until(() => {
      try {
        return all.again("kai", "r1", lost.id) !== lost;
      } catch {
        return true;
      }
    }, "the end of the wait");
  });
});

describe("who has it", () => {
  test("one viewer at a time: the one before is told", async () => {
    await using all = terminals();
    const terminal = all.open(options("sleep 100"));
    const [first, second] = [new Watcher(), new Watcher()];
    terminal.attach(first, SIZE);
    terminal.attach(second, SIZE);
    expect([first.gone, second.gone, terminal.attached]).toEqual([true, false, true]);
    terminal.detach(first, false);
    expect(terminal.attached).toBe(true);
    terminal.detach(second, false);
    expect(terminal.attached).toBe(false);
  });

  test("only its key and, after a break, only its run", async () => {
    await using all = terminals();
    const terminal = all.open(options("sleep 100", { name: "build" }));
    expect(all.again("kai", "r1", terminal.id)).toBe(terminal);
    expect(codeOf(() => all.again("kai", "r2", terminal.id))).toBe("not-found");
    expect(codeOf(() => all.again("eve", "r1", terminal.id))).toBe("not-found");
    expect(codeOf(() => all.again("kai", "r1", "0".repeat(32)))).toBe("not-found");
    expect(all.find("kai", "build")).toBe(terminal);
    expect(codeOf(() => all.find("eve", "build"))).toBe("not-found");
    expect(codeOf(() => all.find("eve", null))).toBe("not-found");
    expect(all.of("eve")).toEqual([]);
  });

  test("by name, or the only one that waits", async () => {
    await using all = terminals();
    const first = all.open(options("sleep 100"));
    expect(all.find("kai", null)).toBe(first);
    const second = all.open(options("sleep 100", { name: "two" }));
    expect(codeOf(() => all.find("kai", null))).toBe("usage");
    first.attach(new Watcher(), SIZE);
    expect(all.find("kai", null)).toBe(second);
    expect(all.find("kai", "1")).toBe(first);
    expect(codeOf(() => all.open(options("sleep 1", { name: "two" })))).toBe("exists");
    expect(all.open(options("sleep 1", { name: "two", owner: "eve" })).name).toBe("two");
  });

  test("a key has a bounded number of them", async () => {
    await using all = terminals();
    for (let count = 0; count < MAX_TERMINALS_OF_KEY; count++) all.open(options("sleep 100"));
    expect(codeOf(() => all.open(options("sleep 100")))).toBe("busy");
    all.open(options("sleep 100", { owner: "eve" }));
    expect(new Set(all.of("kai").map(({ name }) => name)).size).toBe(MAX_TERMINALS_OF_KEY);
  });

  test("those that have ended, and wait for their client, make room", async () => {
    await using all = terminals();
    for (let count = 0; count < 2 * MAX_TERMINALS_OF_KEY; count++) {
      const terminal = all.open(options("exit 1"));
      const viewer = new Watcher();
      terminal.attach(viewer, SIZE);
      await until(() => terminal.ended);
      terminal.detach(viewer, true);
      expect(all.again("kai", "r1", terminal.id)).toBe(terminal);
    }
  });
});

describe("its end", () => {
  test("without a client it waits its time and no longer; with one it stays", async () => {
    await using all = terminals(50);
    const [left, kept] = [all.open(options("sleep 100")), all.open(options("sleep 100"))];
    const viewer = new Watcher();
    left.attach(viewer, SIZE);
    kept.attach(new Watcher(), SIZE);
    left.detach(viewer, true);
    await until(() => left.ended, "its end");
    await until(() => all.of("kai").length === 1);
    expect(kept.ended).toBeUndefined();
  });

  test("who comes back in time finds it", async () => {
    await using all = terminals(200);
    const terminal = all.open(options("sleep 100"));
    for (let round = 0; round < 5; round++) {
      const viewer = new Watcher();
      terminal.attach(viewer, SIZE);
      await Bun.sleep(20);
      terminal.detach(viewer, true);
      await Bun.sleep(50);
      expect(terminal.ended).toBeUndefined();
    }
  });

  test("keys that are not good any more lose theirs", async () => {
    await using all = terminals();
    all.open(options("sleep 100"));
    const other = all.open(options("sleep 100", { owner: "eve" }));
    await all.keepOnly((owner) => owner === "eve");
    expect(all.of("kai")).toEqual([]);
    expect(all.of("eve")).toEqual([other]);
  });

  test("that which could not be started is not in the list", async () => {
    await using all = terminals();
    expect(codeOf(() => all.open(options("", { argv: ["/no/such/shell"] })))).toBe("not-found");
    expect(all.of("kai")).toEqual([]);
  });
});

describe("the end of those in which nothing runs", () => {
  const STOPPED = new SockError("draining", "the server was stopped");

  async function watched(all: Terminals, line: string) {
    const terminal = all.open(options(line));
    const viewer = new Watcher();
    terminal.attach(viewer, SIZE);
    await until(() => output(terminal).includes("up"));
    return { terminal, viewer };
  }

  const ended = (all: Terminals, terminal: RemoteTerminal, viewer: Watcher): boolean => {
    terminal.used(terminal.end);
    all.endIdle(STOPPED);
    return viewer.gone;
  };

  const looked = (all: Terminals, looks: number): void => {
    for (let look = 0; look < looks; look++) all.endIdle(STOPPED);
  };

  test("spares a shell in which something has happened since the last look", async () => {
    await using all = terminals();
    const { terminal, viewer } = await watched(all, "echo up; read first; echo whole; read second");
    all.endIdle(STOPPED);
    terminal.input(0, encoder.encode("go on\n"));
    await until(() => output(terminal).includes("whole"));
    all.endIdle(STOPPED);
    expect(viewer.gone).toBe(false);
    await until(() => ended(all, terminal, viewer), "its end");
  });

  test("spares a shell that is at work itself", async () => {
    await using all = terminals();
    const many = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo whole; read line";
    const { terminal, viewer } = await watched(all, `echo up; ${many}`);
    let seen = "";
    await until(() => {
      seen += output(terminal);
      return ended(all, terminal, viewer);
    }, "its end");
    expect(seen).toContain("whole");
  });

  test("waits for output that its client has not used yet", async () => {
    await using all = terminals();
    const { terminal, viewer } = await watched(all, "echo up; read line");
    looked(all, 50);
    terminal.used(terminal.end - 1);
    looked(all, 50);
    expect(viewer.gone).toBe(false);
    await until(() => ended(all, terminal, viewer), "its end");
  });

  test("waits for output that is held back", async () => {
    await using all = terminals();
    const size = 2 * TERMINAL_UNACKED;
    const { terminal, viewer } = await watched(
      all,
      `${RAW} head -c ${size} /dev/zero; echo whole; read line`,
    );
    await until(() => terminal.end >= TERMINAL_UNACKED, "so much that it is held back");
    looked(all, 50);
    expect(viewer.gone).toBe(false);
    let last = "";
    await until(() => {
      last = output(terminal).slice(-20) || last;
      return ended(all, terminal, viewer);
    }, "its end");
    expect(terminal.end).toBeGreaterThan(size);
    expect(last).toContain("whole");
  });
});
