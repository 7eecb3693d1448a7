// node's modules at their first use. To import one costs a program's start up to three milliseconds (net 3, fs 1, os, buffer and path 0.2 each), and the
// client's short commands need none of them but for some flag: what a whole command takes is eight.

export const buffer = () => process.getBuiltinModule("node:buffer");
export const fs = () => process.getBuiltinModule("node:fs");
export const net = () => process.getBuiltinModule("node:net");
export const os = () => process.getBuiltinModule("node:os");
export const paths = () => process.getBuiltinModule("node:path");
