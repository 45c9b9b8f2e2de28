/** Mutated input: what is nearly right, byte by byte and piece by piece, the same for the same seed. */

const PIECES = [
  ...[
    '"',
    "'",
    ",",
    ";",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\t",
    " ",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\",
    "\u2028",
  ],
  ...[
    "null",
    "true",
    "NaN",
    "-0",
    "1e999",
    "99999999999999999999",
    "-1",
    "0.1",
    "é",
    "😀",
    "\ufeff",
  ],
  ...[
    "2/30/23 25:61",
    "13/13/13 13:13",
    "2023-02-29T10:00:00",
    "<img src=x>",
    "\x1b[31m",
    "__proto__",
  ],
  ...['{"a":'.repeat(50), "x".repeat(5000)],
];

/** Changes, drops, doubles or inserts something at one to four places. */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (end: number) => Math.floor(random() * end);
  let changed = bytes;
  for (let change = below(4); change >= 0; change--) {
    const at = below(changed.length + 1);
    const end = Math.min(changed.length, at + below(random() < 0.1 ? changed.length : 8));
    const [before, piece, after] = [
      changed.slice(0, at),
      changed.slice(at, end),
      changed.slice(end),
    ];
    const inserted = [
      () => new Uint8Array(),
      () => Uint8Array.from(piece, (byte) => byte ^ (1 << below(8))),
      () => Uint8Array.from([...piece, ...piece]),
      () => Uint8Array.from({ length: below(8) }, () => below(256)),
      () => new TextEncoder().encode(PIECES[below(PIECES.length)]),
    ][below(5)]?.() ?? piece;
    changed = Uint8Array.from([...before, ...inserted, ...after]);
  }
  return changed;
}

/** Bytes without any sense, up to 200 of them. */
export function noise(random: () => number): Uint8Array {
  return Uint8Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256));
}
