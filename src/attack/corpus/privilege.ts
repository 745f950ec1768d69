/**
 * Attacks on the walls of a container by what its own user may ask the kernel for. Each is refused, and says so.
 */
import { type AttackCase, js, once } from '../case.ts';
import { ATTEMPT, NODE_ATTEMPT, noMethod, onBothPythons, SYSTEM } from '../programs.ts';
import { SYSTEM_CALLS } from './system-calls.ts';
import { WALLS } from './walls.ts';

const IDENTITIES: readonly AttackCase[] = [
  {
    id: 78,
    group: 'privilege',
    name: 'a program that would run as its owner, and the calls that would do the same',
    harmless: true,
    attacks: {
      isolate: noMethod('process.setuid'),
      nodejs24: {
        code: js(
          `${NODE_ATTEMPT} return [() => process.setuid(0), () => process.setgid(0), () => process.seteuid(0), () => process.setegid(0), () => process.setgroups([0]), () => process.initgroups('root', 0), () => fs.chownSync('/tmp', 0, 0)].map(attempt);`,
        ),
        calls: once({ code: 'succeeded', result: Array.from({ length: 7 }, () => 'EPERM') }),
      },
      ...onBothPythons(
        `${ATTEMPT}
import stat
found = []
for folder, _, names in os.walk("/"):
  if folder.startswith("/proc"): continue
  for name in names:
    try: mode = os.lstat(os.path.join(folder, name)).st_mode
    except OSError: continue
    if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID): found.append(name)
with open("/tmp/own", "w") as own: own.write("#!/bin/true\\n")
os.chmod("/tmp/own", 0o6755)
return [found, attempt(lambda: os.execv("/tmp/own", ["own"])), *map(attempt, [
  lambda: os.chown("/tmp/own", 0, 0), lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0),
  lambda: os.setresuid(0, 0, 0), lambda: os.setresgid(0, 0, 0), lambda: os.setgroups([0]),
])]`,
        {
          calls: once({
            code: 'succeeded',
            result: [[], 'EACCES', ...Array.from({ length: 7 }, () => 'EPERM')],
          }),
        },
      ),
    },
  },
  {
    id: 350,
    group: 'privilege',
    name: 'a program in memory that belongs to root',
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
own = os.memfd_create("own", 0)
os.write(own, open("/proc/self/exe", "rb").read(1 << 20))
os.fchmod(own, 0o6755)
return [attempt(lambda: os.fchown(own, 0, 0)), os.fstat(own).st_uid == os.getuid()]`,
      { calls: once({ code: 'succeeded', result: ['EPERM', true] }) },
    ),
  },
  {
    id: 351,
    group: 'privilege',
    name: 'capabilities that it has, might get or might hand on',
    harmless: true,
    attacks: onBothPythons(
      `${SYSTEM}
status = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
head = ctypes.create_string_buffer((0x20080522).to_bytes(4, "little") + bytes(4), 8)
everything = ctypes.create_string_buffer(b"\\xff" * 24, 24)
return {
  **{name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")},
  "CapBnd": int(status["CapBnd"], 16) & ~0xe0,
  "NoNewPrivs": status["NoNewPrivs"], "Seccomp": status["Seccomp"], "Groups": status["Groups"].strip(),
  "capset": system(126, 91, head, everything),
  "ambient": system(157, 167, 47, 2, 21, 0, 0),
  "bounding set": system(157, 167, 24, 21, 0, 0, 0),
  "no new privileges": system(157, 167, 38, 0, 0, 0, 0),
  "keeping": system(157, 167, 28, 0x2f, 0, 0, 0),
}`,
      {
        calls: once({
          code: 'succeeded',
          result: {
            ...{ CapInh: 0, CapPrm: 0, CapEff: 0, CapAmb: 0, CapBnd: 0 },
            ...{ NoNewPrivs: '1', Seccomp: '2', Groups: '' },
            ...{ capset: 'EPERM', ambient: 'EPERM', 'bounding set': 'EPERM' },
            ...{ 'no new privileges': 'EINVAL', keeping: 'EPERM' },
          },
        }),
      },
    ),
  },
];

export const PRIVILEGE_CASES: readonly AttackCase[] = [...IDENTITIES, ...SYSTEM_CALLS, ...WALLS];
