/**
 * Decoding GBK beside `iconv -f gbk` by turns in one run, from a file in memory to nowhere. The same program for both:
 * sock's decoder runs in a process of its own, start and tables included. Also UTF-8, and lines of both kinds by turns.
 */
import { openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { textStream } from "../../src/text/decoder.ts";
import { encodeText } from "../../src/text/encoder.ts";
import { giveBack } from "../../src/text/slab.ts";
import { has, machine, median, scratch, timed } from "./lib/peers.ts";

const MIB = 1024 * 1024;
const SIZE = 256 * MIB;
const CHUNK = 64 * 1024;
const RUNS = Number(process.argv[2] ?? 7);
const LINES = [
  "状态: 已终止 PID 123 系统找不到指定的文件。目录 D:\\设计\\文档 共 12 个文件",
  "错误: 拒绝访问。请以管理员身份运行此命令，然后再试一次",
  "2026/11/21  08:03    <DIR>          项目资料",
  "驱动器 C 中的卷没有标签。卷的序列号是 1A2B-3C4D",
];

if (process.argv[2] === "decode") decode(process.argv[3] ?? "", process.argv[4] ?? "");
else measure();

/** What the measured process does: reads, decodes, and only counts. */
function decode(path: string, encoding: string): void {
  const file = openSync(path, "r");
  const chunk = new Uint8Array(CHUNK);
  const stream = textStream({ kind: "text", encoding, stated: true }, { clock: () => performance.now() });
  let [read, out] = [0, 0];
  for (let bytes = readSync(file, chunk); bytes > 0; bytes = readSync(file, chunk)) {
    read += bytes;
    const text = stream.push(chunk.subarray(0, bytes));
    out += text.length;
    giveBack(text);
  }
  out += stream.end().length;
  if (out < read || read === 0) throw new Error("bytes are missing");
}

function measure(): void {
  using folder = scratch();
  const file = (name: string, lines: readonly Uint8Array[]): string => {
    const path = join(folder.path, name);
    const some = Buffer.concat(lines);
    const all = Buffer.alloc(Math.floor(SIZE / some.length) * some.length, some);
    writeFileSync(path, all);
    return path;
  };
  const gbk = LINES.map((line) => encodeText(`${line}\r\n`, "gbk"));
  const utf8 = LINES.map((line) => encodeText(`${line}\r\n`, "utf-8"));
  const files = {
    gbk: file("gbk", gbk),
    "utf-8": file("utf-8", utf8),
    "both by turns": file("both", [...gbk, ...utf8]),
  };
  const sock = (path: string): string[] => [process.execPath, import.meta.filename, "decode", path, "gbk"];
  const commands: Record<string, string[]> = {
    "sock, GBK": sock(files.gbk),
    "sock, UTF-8": sock(files["utf-8"]),
    "sock, both by turns": sock(files["both by turns"]),
  };
  if (has("iconv")) {
    commands["iconv -f gbk"] = ["iconv", "-f", "gbk", "-t", "utf-8", files.gbk];
    commands["iconv -f gb18030"] = ["iconv", "-f", "gb18030", "-t", "utf-8", files.gbk];
  }
  const seconds = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  for (let round = 0; round < RUNS; round++) {
    for (const [name, command] of Object.entries(commands)) seconds.get(name)?.push(timed(command));
  }
  const rates = new Map([...seconds].map(([name, runs]) => [name, SIZE / 1e6 / median(runs)]));
  const iconv = rates.get("iconv -f gbk");
  console.log(machine([]));
  console.log(`${SIZE / MIB} MiB of lines, whole processes, medians of ${RUNS} by turns`);
  for (const [name, rate] of rates) {
    const ratio = iconv === undefined ? "iconv is not here" : `${(rate / iconv).toFixed(2)} x iconv -f gbk`;
    console.log(`${name}: ${rate.toFixed(0)} MB/s, ${ratio}`);
  }
}
