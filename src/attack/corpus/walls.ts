/**
 * Attacks on the walls of a container through the file system: the kernel's own files, the engine, the agent, and links
 * that lead elsewhere.
 */
import { type Attack, type AttackCase, type FunctionCase, js, once, python } from '../case.ts';
import { ATTEMPT, each, NODE_ATTEMPT, noModule, onBothPythons, shell } from '../programs.ts';

const KERNEL_FILES = [
  ...['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname', '/proc/sys/kernel/modprobe'],
  ...['/proc/sys/vm/overcommit_memory', '/proc/sys/net/ipv4/ip_forward', '/proc/sysrq-trigger'],
  ...['/proc/irq/default_smp_affinity', '/proc/1/oom_score_adj', '/proc/1/mem', '/proc/1/attr/current'],
  ...[
    '/sys/kernel/mm/ksm/run',
    '/sys/kernel/uevent_helper',
    '/sys/power/state',
    '/sys/fs/cgroup/cgroup.procs',
  ],
  ...['/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/fuse', '/dev/kvm', '/dev/net/tun'],
];

const OWN_WALLS = [
  ...['/left', '/etc/passwd', '/etc/hosts', '/etc/resolv.conf', '/code/left', '/opt/strata/agent'],
  ...['/opt/strata/left', '/run/strata/left', '/usr/bin/left', '/dev/left', '/proc/left', '/sys/left'],
];

const ENGINES = [
  ...['/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock'],
  ...['/run/podman/podman.sock', '/run/crio/crio.sock', '/run/buildkit/buildkitd.sock'],
];

const inPython = (names: readonly string[]): string => `(${names.map((name) => `"${name}"`).join(', ')},)`;

const refusedWrites = (names: readonly string[]): Attack['calls'] =>
  once({ code: 'succeeded', result: each(names, 'refused') });

/** Every one of these files is written to, by each runtime's own means. */
const writesTo = (names: readonly string[]): FunctionCase['attacks'] => ({
  nodejs24: {
    code: js(
      `${NODE_ATTEMPT} return Object.fromEntries(${JSON.stringify(names)}.map((name) => [name, refused(() => fs.writeFileSync(name, '0'))]));`,
    ),
    calls: refusedWrites(names),
  },
  ...onBothPythons(`${ATTEMPT}\nreturn {name: refused(write(name)) for name in ${inPython(names)}}`, {
    calls: refusedWrites(names),
  }),
});

/** Connects to each of these sockets, and answers with the different ways in which that failed. */
const connectionsTo = (paths: readonly string[]): FunctionCase['attacks'] => ({
  isolate: noModule('net'),
  nodejs24: {
    code: js(
      `const dial = (path) => new Promise((done) => { require('node:net').connect({ path }).on('connect', () => done('connected')).on('error', (error) => done(error.code)); }); return [...new Set(await Promise.all(${JSON.stringify(paths)}.map(dial)))];`,
    ),
    calls: once({ code: 'succeeded', result: ['ENOENT'] }),
  },
  ...onBothPythons(
    `${ATTEMPT}
import socket
def dial(path):
  with socket.socket(socket.AF_UNIX) as caller: caller.connect(path)
return sorted({attempt(lambda: dial(path)) for path in ${inPython(paths)}})`,
    { calls: once({ code: 'succeeded', result: ['ENOENT'] }) },
  ),
});

export const WALLS: readonly AttackCase[] = [
  {
    id: 81,
    group: 'privilege',
    name: "writes to the kernel's own files",
    harmless: true,
    attacks: writesTo(KERNEL_FILES),
  },
  {
    id: 359,
    group: 'privilege',
    name: 'writes to what the container is made of',
    harmless: true,
    attacks: writesTo(OWN_WALLS),
  },
  {
    id: 366,
    group: 'privilege',
    name: 'its own code, for the next who is given it',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js(
          `${NODE_ATTEMPT} return [() => fs.writeFileSync(__filename, ''), () => fs.writeFileSync(__dirname + '/new', ''), () => fs.unlinkSync(__filename), () => fs.chmodSync(__dirname, 0o777), () => fs.rmSync(__dirname, { recursive: true })].map(refused);`,
        ),
        calls: once({ code: 'succeeded', result: Array.from({ length: 5 }, () => 'refused') }),
      },
      ...onBothPythons(
        `${ATTEMPT}
name = os.path.join(os.getcwd(), os.listdir(".")[0])
return [refused(write(name)), refused(write("new")), refused(lambda: os.unlink(name)), refused(lambda: os.chmod(".", 0o777)), refused(lambda: os.rename(name, name + "x"))]`,
        { calls: once({ code: 'succeeded', result: Array.from({ length: 5 }, () => 'refused') }) },
      ),
    },
  },
  {
    id: 360,
    group: 'privilege',
    name: 'reads of what the machine hides',
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
names = ("/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/dev/kmsg", "/dev/mem")
def shown(name):
  try: return len(os.listdir(name) if os.path.isdir(name) else open(name, "rb").read(64))
  except OSError: return 0
addresses = {line.split()[0].strip("0") for line in open("/proc/kallsyms").readlines()[:100]} if os.access("/proc/kallsyms", os.R_OK) else {""}
return [sum(map(shown, names)), sorted(addresses)]`,
      { calls: once({ code: 'succeeded', result: [0, ['']] }) },
    ),
  },
  {
    id: 361,
    group: 'privilege',
    name: 'the files of every process of root',
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
roots = [pid for pid in os.listdir("/proc") if pid.isdigit() and os.stat("/proc/" + pid).st_uid == 0]
reached = {
  *(attempt(read(f"/proc/{pid}/{name}")) for pid in roots for name in ("mem", "environ", "maps", "stack", "syscall", "auxv", "io", "personality", "pagemap")),
  *(attempt(lambda: os.listdir(f"/proc/{pid}/{name}")) for pid in roots for name in ("fd", "fdinfo", "map_files", "task/%s/fd" % pid)),
  *(attempt(lambda: os.readlink(f"/proc/{pid}/{name}")) for pid in roots for name in ("root", "cwd", "exe", "ns/net", "ns/user")),
}
return [len(roots) > 0, sorted(reached - {"EPERM"})]`,
      { calls: once({ code: 'succeeded', result: [true, ['EACCES']] }) },
    ),
  },
  {
    id: 362,
    group: 'privilege',
    name: 'a program in the temporary folder, and a library',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js(
          `${NODE_ATTEMPT} const library = process.report.getReport().sharedObjects.find((path) => path.includes('libgcc_s')); fs.copyFileSync(library, '/tmp/program.node'); fs.chmodSync('/tmp/program.node', 0o755); let said = ''; try { process.dlopen({ exports: {} }, '/tmp/program.node'); } catch (error) { said = error.message; } return [/failed to map|not permitted/.test(said) || said, require('node:child_process').spawnSync('/tmp/program.node').error?.code];`,
        ),
        calls: once({ code: 'succeeded', result: [true, 'EACCES'] }),
      },
      ...onBothPythons(
        `${ATTEMPT}
import mmap
with open("/tmp/program", "wb") as program: program.write(b"#!/bin/true\\n" + bytes(4096))
os.chmod("/tmp/program", 0o755)
mapped = os.open("/tmp/program", os.O_RDONLY)
return [attempt(lambda: os.execv("/tmp/program", ["program"])), attempt(lambda: mmap.mmap(mapped, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC))]`,
        { calls: once({ code: 'succeeded', result: ['EACCES', 'EPERM'] }) },
      ),
    },
  },
  {
    id: 363,
    group: 'privilege',
    name: "its own standing with the kernel's killer, and that of others",
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
own = "/proc/self/oom_score_adj"
def set_to(path, value): return lambda: open(path, "wb", buffering=0).write(value.encode())
return [open(own).read().strip(), *(attempt(set_to(own, value)) for value in ("-1000", "-1")), attempt(set_to("/proc/self/oom_adj", "-17")), refused(set_to("/proc/1/oom_score_adj", "1000"))]`,
      {
        calls: once({
          code: 'succeeded',
          result: ['500', 'EACCES', 'EACCES', 'EACCES', 'refused'],
        }),
      },
    ),
  },
  {
    id: 85,
    group: 'privilege',
    name: 'control groups: bounds, members, new ones, and a program for when they are empty',
    harmless: true,
    attacks: onBothPythons(
      `${ATTEMPT}
done = []
tried = 0
for folder, folders, names in os.walk("/sys/fs/cgroup"):
  for name in names:
    tried += 1
    try: os.close(os.open(os.path.join(folder, name), os.O_WRONLY)); done.append(name)
    except OSError: pass
  if refused(lambda: os.mkdir(folder + "/left")) != "refused": done.append("a group")
def mount(): return refused(write("/sys/fs/cgroup/release_agent"))
return [tried > 0 or not os.path.isdir("/sys/fs/cgroup") or os.listdir("/sys/fs/cgroup") == [], done, mount()]`,
      { calls: once({ code: 'succeeded', result: [true, [], 'refused'] }) },
    ),
  },
  {
    id: 88,
    group: 'privilege',
    name: "the engine's socket",
    harmless: true,
    attacks: connectionsTo(ENGINES),
  },
  {
    id: 89,
    group: 'privilege',
    name: 'links that lead the emptying of the temporary folder elsewhere',
    harmless: true,
    attacks: onBothPythons(
      `seen = [os.listdir("/tmp"), os.path.exists("/etc/passwd"), os.path.exists("/opt/strata/agent"), len(os.listdir(os.getcwd())) > 0]
if event.get("leave"):
  for name, to in {"root": "/", "code": "/code", "agent": "/opt/strata/agent", "up": "..", "cwd": "/proc/self/cwd", "loop": "loop", "\\n..\\n": "/etc"}.items():
    os.symlink(to, "/tmp/" + name)
  os.makedirs("/tmp/a/b/c")
  os.symlink("/code", "/tmp/a/b/code")
  os.link("/tmp/a/b/code", "/tmp/hard")
  os.mkfifo("/tmp/a/pipe")
  os.chmod("/tmp/a/b", 0)
  os.chmod("/tmp/a", 0)
  os.mkdir("/tmp/deep")
  os.chdir("/tmp/deep")
  for _ in range(300):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
  os._exit(1)
return seen`,
      {
        calls: [
          { event: { leave: true }, expect: { code: 'sandbox_exited', detail: /exit code 1/ } },
          { expect: { code: 'succeeded', result: [[], true, true, true] } },
        ],
      },
    ),
  },
  {
    id: 365,
    group: 'privilege',
    name: 'memory that no process holds, beside as low a standing as the agent has',
    attacks: {
      provided: {
        code: shell(
          '  for score in $(seq 0 50 500); do echo $score >/proc/self/oom_score_adj; done 2>/dev/null\n  exec head -c 200000000 /dev/zero >/tmp/full',
        ),
        calls: once({ code: 'memory_limit', limit: 'memoryMb' }),
      },
    },
  },
  {
    id: 364,
    group: 'privilege',
    name: 'what it was born with: descriptors, an environment, a session, and whom it sees',
    harmless: true,
    attacks: {
      python3: {
        code: python(
          `descriptors = {name: os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)}
kinds = {name: link.split(":")[0] for name, link in descriptors.items()}
return [kinds, os.getsid(0) == os.getpid(), os.getuid() >= 20000, os.getuid() == os.getgid() == os.geteuid() == os.getegid(), sorted(name for name in os.environ if "STRATA" in name or "DOCKER" in name),
  sorted(os.listdir("/sys/class/net")), os.path.exists("/dev/shm"), sum(name.isdigit() and os.stat("/proc/" + name).st_uid == 0 for name in os.listdir("/proc"))]`,
        ),
        calls: once({
          code: 'succeeded',
          result: [
            { 0: '/dev/null', 1: 'pipe', 2: 'pipe', 3: 'socket' },
            true,
            true,
            true,
            [],
            ['lo'],
            false,
            2,
          ],
        }),
      },
    },
  },
];
