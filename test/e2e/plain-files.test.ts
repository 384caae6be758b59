/** Files between naive peers and sock, both ways round. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { anywhere, naiveClient, naiveServer, plain, PYTHON } from "../helpers/plain.ts";
import { sock } from "../helpers/run.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const SIZES = [0, 1, 1023, 1024, 1025];
const LARGE = 50_000_000;
const HOWS = [[], ["--cut"]];

/** `here` has a file of each size, `there` is empty. */
async function folders(): Promise<TemporaryFolder & { here: string; there: string }> {
  const folder = await temporaryFolder();
  const [here, there] = [folder.join("here"), folder.join("there")];
  mkdirSync(here);
  mkdirSync(there);
  for (const size of SIZES) writeFileSync(`${here}/f${size}`, contents(size));
  return { ...folder, here, there };
}

/** Begins with a byte that is no digit: nothing can tell others from a size that they stick to. */
function contents(size: number): Buffer {
  const bytes = randomBytes(size);
  if (size > 0) bytes[0] = 0x61;
  return bytes;
}

/** Without the folder of files on their way, which a killed server leaves. */
function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name !== ".sock-partial")
    .toSorted();
}

function same(one: string, other: string): boolean {
  return readFileSync(one).equals(readFileSync(other));
}

describe.skipIf(PYTHON === null)("naive clients (python3)", () => {
  test.each(HOWS)("ftp-gt: files of every size go in and come out %p", async (...how: string[]) => {
    await using folder = await folders();
    await using server = await plain([anywhere("ftp-gt"), "--root", folder.there]);
    const port = String(server.port("ftp-gt"));
    for (const size of SIZES) {
      await naiveClient([...how, "--dir", folder.here, "ftp-gt", port, "put", `f${size}`]);
      await until(() => server.events("request").some(({ what }) => what === `put f${size}`), "the file");
      expect(same(`${folder.here}/f${size}`, `${folder.there}/f${size}`)).toBe(true);
      await naiveClient([...how, "--dir", folder.path, "ftp-gt", port, "get", `f${size}`]);
      expect(same(`${folder.here}/f${size}`, folder.join(`f${size}`))).toBe(true);
    }
    expect((await naiveClient(["ftp-gt", port, "get", "none"])).toString()).toBe("no");
    expect(filesIn(folder.there)).toHaveLength(SIZES.length);
  });

  test.each([[["--cut"]], [["--glue"]], [[]]])("post-pipe: files of every size %p", async (how: string[]) => {
    await using folder = await folders();
    await using server = await plain([anywhere("post-pipe"), "--root", folder.there]);
    for (const size of SIZES) {
      const port = String(server.port("post-pipe"));
      await naiveClient([...how, "--dir", folder.here, "post-pipe", port, `f${size}`]);
      await until(() => server.events("request").some(({ what }) => what === `post f${size}`), "the file");
      expect(same(`${folder.here}/f${size}`, `${folder.there}/f${size}`)).toBe(true);
    }
  });

  test("post-pipe: data that begins with digits and sticks to the size", async () => {
    await using folder = await folders();
    await using server = await plain([anywhere("post-pipe"), "--root", folder.there]);
    writeFileSync(`${folder.here}/digits`, "1234567890".repeat(300));
    const port = String(server.port("post-pipe"));
    await naiveClient(["--glue", "--dir", folder.here, "post-pipe", port, "digits"]);
    await until(() => server.events("request").length === 1, "the file");
    expect(same(`${folder.here}/digits`, `${folder.there}/digits`)).toBe(true);
  });

  test("50 MB each way", async () => {
    await using folder = await folders();
    writeFileSync(`${folder.here}/large`, contents(LARGE));
    await using server = await plain([anywhere("ftp-gt"), anywhere("post-pipe"), "--root", folder.there]);
    await naiveClient(["--dir", folder.here, "ftp-gt", String(server.port("ftp-gt")), "put", "large"]);
    await naiveClient(["--dir", folder.path, "ftp-gt", String(server.port("ftp-gt")), "get", "large"]);
    expect(same(`${folder.here}/large`, folder.join("large"))).toBe(true);
    await naiveClient(["--dir", folder.here, "post-pipe", String(server.port("post-pipe")), "large"]);
    await until(() => existsSync(`${folder.there}/large.new`), "the second file");
    expect(same(`${folder.here}/large`, `${folder.there}/large.new`)).toBe(true);
  }, 60_000);

  test("a file that is there stays, and --on-exists says otherwise", async () => {
    await using folder = await folders();
    const put = async (words: string[]): Promise<void> => {
      await using server = await plain([anywhere("post-pipe"), "--root", folder.there, ...words]);
      await naiveClient(["--dir", folder.here, "post-pipe", String(server.port("post-pipe")), "f1"]);
      await until(() => server.events("request").length === 1, "an outcome");
    };
    await put([]);
    await put([]);
    await put([]);
    expect(filesIn(folder.there)).toEqual(["f1", "f1.new", "f1.new2"]);
    await put(["--on-exists", "replace"]);
    await put(["--on-exists", "refuse"]);
    expect(filesIn(folder.there)).toHaveLength(3);
  });

  test("nothing leaves the folder, and names lose their folders where the dialect says so", async () => {
    await using folder = await folders();
    writeFileSync(folder.join("secret"), "secret");
    await using server = await plain([anywhere("ftp-gt"), anywhere("post-pipe"), "--root", folder.there]);
    const ftp = String(server.port("ftp-gt"));
    for (const name of ["../secret", folder.join("secret"), "a/../../secret"]) {
      expect((await naiveClient(["--dir", folder.here, "ftp-gt", ftp, "get", name])).toString()).toBe("no");
    }
    expect((await naiveClient(["--dir", folder.here, "ftp-gt", ftp, "put", "../f1"])).toString()).toBe("no");
    await naiveClient(["--dir", folder.here, "post-pipe", String(server.port("post-pipe")), "../../f1"]);
    await until(() => existsSync(`${folder.there}/f1`), "the file");
    expect(existsSync(folder.join("f1"))).toBe(false);
  });

  test("a client that vanishes in the middle leaves nothing, and hurts nobody", async () => {
    await using folder = await folders();
    await using server = await plain([anywhere("ftp-gt"), anywhere("post-pipe"), "--root", folder.there]);
    const code = `import socket, struct, sys
for port, head in ((${server.port("ftp-gt")}, b"put>half>1000"), (${server.port("post-pipe")}, b"post|half|1000")):
    for reset in (False, True):
        s = socket.create_connection(("127.0.0.1", port)); s.sendall(head)
        if port == ${server.port("ftp-gt")}: s.recv(1024)
        s.sendall(b"x" * 500)
        if reset: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()`;
    const child = Bun.spawn(["python3", "-c", code]);
    expect(await child.exited).toBe(0);
    await until(() => server.events("request").length === 4, "four outcomes");
    for (const { outcome } of server.events("request")) expect(["cut", "lost"]).toContain(String(outcome));
    expect(filesIn(folder.there)).toEqual([]);
    await naiveClient(["--dir", folder.here, "ftp-gt", String(server.port("ftp-gt")), "put", "f1025"]);
    await until(() => existsSync(`${folder.there}/f1025`), "the file of the next one");
  });
});

describe.skipIf(PYTHON === null)("naive servers (python3)", () => {
  const times = ["--times", String(SIZES.length)];

  test.each(HOWS)("ftp-gt: put and get %p", async (...how: string[]) => {
    await using folder = await folders();
    await using server = await naiveServer([...how, ...times, "--dir", folder.there, "ftp-gt"]);
    const url = `tcp://127.0.0.1:${server.port}`;
    const files = SIZES.map((size) => `${folder.here}/f${size}`);
    expect(await sock(["put", ...files, url])).toMatchObject({ status: 0 });
    for (const size of SIZES) expect(same(`${folder.here}/f${size}`, `${folder.there}/f${size}`)).toBe(true);
    await using again = await naiveServer([...how, ...times, "--dir", folder.there, "ftp-gt"]);
    for (const size of SIZES) {
      const got = await sock(["get", `tcp://127.0.0.1:${again.port}/f${size}`, folder.path]);
      expect(got.status).toBe(0);
      expect(same(`${folder.here}/f${size}`, folder.join(`f${size}`))).toBe(true);
    }
  });

  test("post-pipe: put", async () => {
    await using folder = await folders();
    await using server = await naiveServer([...times, "--dir", folder.there, "post-pipe"]);
    const url = `tcp://127.0.0.1:${server.port}`;
    writeFileSync(`${folder.here}/f1`, "7");
    const files = SIZES.map((size) => `${folder.here}/f${size}`);
    expect(await sock(["put", ...files, url, "--dialect", "post-pipe"])).toMatchObject({ status: 0 });
    for (const size of SIZES) expect(same(`${folder.here}/f${size}`, `${folder.there}/f${size}`)).toBe(true);
  });

  test("50 MB each way, to a file and to stdout", async () => {
    await using folder = await folders();
    writeFileSync(`${folder.here}/large`, contents(LARGE));
    await using server = await naiveServer(["--times", "3", "--dir", folder.there, "ftp-gt"]);
    const url = `tcp://127.0.0.1:${server.port}`;
    expect(await sock(["put", `${folder.here}/large`, url])).toMatchObject({ status: 0 });
    expect(same(`${folder.here}/large`, `${folder.there}/large`)).toBe(true);
    expect(await sock(["get", `${url}/large`, folder.path])).toMatchObject({ status: 0 });
    expect(same(`${folder.here}/large`, folder.join("large"))).toBe(true);
    const out = Bun.spawn(["sh", "-c", 'exec "$0" "$@" | cmp - "$FILE"', ...toStdout(`${url}/large`)], {
      env: { ...process.env, FILE: `${folder.here}/large`, SOCK_HOME: folder.path },
      stderr: "ignore",
    });
    expect(await out.exited).toBe(0);
  }, 60_000);

  test("what is not there is not found; what is there already is kept beside the new one", async () => {
    await using folder = await folders();
    await using server = await naiveServer(["--times", "3", "--dir", folder.here, "ftp-gt"]);
    const url = `tcp://127.0.0.1:${server.port}`;
    expect(await sock(["get", `${url}/none`, folder.path])).toMatchObject({ status: 7 });
    writeFileSync(folder.join("f1"), "old");
    expect(await sock(["get", `${url}/f1`, folder.path])).toMatchObject({ status: 0 });
    expect(readFileSync(folder.join("f1"), "utf8")).toBe("old");
    expect(same(folder.join("f1.new"), `${folder.here}/f1`)).toBe(true);
    const refused = await sock(["get", `${url}/f1`, folder.path, "--on-exists", "refuse"]);
    expect(refused.status).toBe(12);
  });

  test("a server that ends in the middle leaves no file, and no success", async () => {
    await using folder = await folders();
    const code = `import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); print(s.getsockname()[1], flush=True)
c, _ = s.accept(); c.recv(1024); c.send(b"yes:1000"); c.recv(1024); c.sendall(b"x" * 500); c.close()`;
    const child = Bun.spawn(["python3", "-c", code], { stdout: "pipe", stderr: "ignore" });
    const { value } = await child.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    const got = await sock(["get", `tcp://127.0.0.1:${port}/f`, folder.there]);
    expect(got.status).toBe(1);
    expect(filesIn(folder.there)).toEqual([]);
  });
});

function toStdout(url: string): string[] {
  return [process.env["SOCK_BIN"] ?? `${import.meta.dir}/../../dist/sock`, "get", url, "-"];
}
