/**
 * System calls that no function has a use for, made past every library: each is refused by the filter.
 */
import { type AttackCase, type FunctionCase, js, once, python } from '../case.ts';
import { bootstrap, NODE_ATTEMPT, noMethod, SYSTEM, systemCallCase } from '../programs.ts';

/** The filter kills the thread: the whole process where that is its only one, and what waits for it otherwise. */
const killedByFilter = (body: string): FunctionCase['attacks'] => ({
  python3: {
    code: python(`def end(): time.sleep(600)\n${body}\nreturn "made"`),
    spec: { timeoutMs: 300 },
    calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
  },
  provided: {
    code: bootstrap(`def end(): os.kill(os.getpid(), 31)\n${body}\nreturn "made"`),
    calls: once({ code: 'sandbox_exited', detail: /signal 31/ }),
  },
});

export const SYSTEM_CALLS: readonly AttackCase[] = [
  systemCallCase(
    { id: 79, name: 'a mount, an unmount, and another root' },
    {
      mount: [165, 40, 'b"none", b"/tmp", b"tmpfs", 0, 0'],
      'bind mount': [165, 40, 'b"/proc", b"/tmp", 0, 4096, 0'],
      umount2: [166, 39, 'b"/tmp", 2'],
      pivot_root: [155, 41, 'b"/tmp", b"/tmp"'],
      chroot: [161, 51, 'b"/tmp"'],
      open_tree: [428, 428, '-100, b"/", 1'],
      move_mount: [429, 429, '-100, b"/proc", -100, b"/tmp", 0'],
      fsopen: [430, 430, 'b"tmpfs", 0'],
      fsmount: [432, 432, '0, 0, 0'],
      mount_setattr: [442, 442, '-100, b"/", 0, 0, 0'],
    },
  ),
  systemCallCase(
    { id: 80, name: 'the memory of other processes' },
    {
      'ptrace of the parent': [101, 117, '16, os.getppid(), 0, 0'],
      'ptrace by the parent': [101, 117, '0, 0, 0, 0'],
      process_vm_readv: [310, 270, 'os.getppid(), 0, 0, 0, 0, 0'],
      process_vm_writev: [311, 271, 'os.getppid(), 0, 0, 0, 0, 0'],
      pidfd_getfd: [438, 438, '0, 0, 0'],
      process_madvise: [440, 440, '0, 0, 0, 0, 0'],
      process_mrelease: [448, 448, '0, 0'],
      kcmp: [312, 272, '1, os.getpid(), 0, 0, 0'],
      migrate_pages: [256, 238, '1, 0, 0, 0'],
    },
    {
      isolate: noMethod('process.dlopen'),
      nodejs24: {
        code: js(
          `${NODE_ATTEMPT} return ['mem', 'environ', 'maps', 'fd', 'root', 'cwd', 'exe', 'syscall', 'stack'].map((name) => attempt(() => name === 'fd' ? fs.readdirSync('/proc/1/fd') : ['root', 'cwd', 'exe'].includes(name) ? fs.readlinkSync('/proc/1/' + name) : fs.readFileSync('/proc/1/' + name)));`,
        ),
        calls: once({ code: 'succeeded', result: Array.from({ length: 9 }, () => 'EACCES') }),
      },
    },
  ),
  systemCallCase(
    { id: 82, name: "the kernel's key rings" },
    {
      keyctl: [250, 219, '0, 0xfffffffd, 0, 0, 0'],
      'keyctl to join a session': [250, 219, '1, 0, 0, 0, 0'],
      add_key: [248, 217, 'b"user", b"left", b"x", 1, 0xfffffffd'],
      request_key: [249, 218, 'b"user", b"left", 0, 0xfffffffd'],
    },
  ),
  systemCallCase(
    { id: 83, name: 'a ring of system calls past the filter' },
    {
      io_uring_setup: [425, 425, '1, ctypes.create_string_buffer(120)'],
      io_uring_enter: [426, 426, '0, 0, 0, 0, 0'],
      io_uring_register: [427, 427, '0, 0, 0, 0'],
      io_setup: [206, 0, '1, ctypes.create_string_buffer(8)'],
    },
  ),
  systemCallCase(
    { id: 84, name: 'namespaces of its own' },
    {
      'unshare of users': [272, 97, '0x10000000'],
      'unshare of mounts': [272, 97, '0x20000'],
      'unshare of the network': [272, 97, '0x40000000'],
      setns: [308, 268, 'os.open("/proc/self/ns/mnt", 0), 0'],
      ...Object.fromEntries(
        Object.entries({
          users: 0x10000000,
          network: 0x40000000,
          processes: 0x20000000,
          mounts: 0x20000,
        }).map(([name, flag]) => [`clone of ${name}`, [56, 220, `${flag} | 17, 0, 0, 0, 0`] as const]),
      ),
      // Its flags lie in memory, where no filter can see them.
      clone3: [435, 435, 'ctypes.create_string_buffer((0x10000000).to_bytes(8, "little"), 88), 88', 'ENOSYS'],
    },
  ),
  systemCallCase(
    { id: 86, name: "the machine's clock" },
    {
      clock_settime: [227, 112, '0, ctypes.create_string_buffer(16)'],
      settimeofday: [164, 170, 'ctypes.create_string_buffer(16), 0'],
      adjtimex: [159, 171, 'ctypes.create_string_buffer(b"\\x01", 256)'],
      clock_adjtime: [305, 266, '0, ctypes.create_string_buffer(b"\\x01", 256)'],
    },
  ),
  systemCallCase(
    { id: 87, name: 'devices' },
    {
      'mknod of a disk': [133, 0, 'b"/tmp/disk", 0o060600, 0x800'],
      'mknodat of a terminal': [259, 33, '-100, b"/tmp/terminal", 0o020600, 0x103'],
      'mknodat of memory': [259, 33, '-100, b"/tmp/memory", 0o020600, 0x101'],
      'mknodat of a plain file': [259, 33, '-100, b"/tmp/plain", 0o100600, 0'],
      'mknodat of a named pipe': [
        259,
        33,
        '-100, b"/tmp/pipe-" + str(os.getpid()).encode(), 0o010600, 0',
        'done',
      ],
    },
  ),
  systemCallCase(
    { id: 352, name: "the machine's own business: modules, kernels, programs in the kernel, disks" },
    {
      bpf: [321, 280, '0, 0, 0'],
      perf_event_open: [298, 241, '0, 0, -1, -1, 0'],
      userfaultfd: [323, 282, '0'],
      kexec_load: [246, 104, '0, 0, 0, 0'],
      init_module: [175, 105, '0, 0, 0'],
      finit_module: [313, 273, '0, 0, 0'],
      delete_module: [176, 106, 'b"x", 0'],
      reboot: [169, 142, '0xfee1dead, 672274793, 0, 0'],
      swapon: [167, 224, 'b"/tmp/x", 0'],
      syslog: [103, 116, '3, ctypes.create_string_buffer(64), 64'],
      sethostname: [170, 161, 'b"x", 1'],
      acct: [163, 89, 'b"/tmp/x"'],
      quotactl: [179, 60, '0, 0, 0, 0'],
      iopl: [172, 0, '3'],
      vhangup: [153, 58, ''],
      fanotify_init: [300, 262, '0, 0'],
      lookup_dcookie: [212, 18, '0, 0, 0'],
    },
  ),
  systemCallCase(
    { id: 353, name: 'objects of the kernel that outlive their maker' },
    {
      shmget: [29, 194, '0, 4096, 0o1600'],
      semget: [64, 190, '0, 1, 0o1600'],
      msgget: [68, 186, '0, 0o1600'],
      mq_open: [240, 180, 'b"/left", 0o102, 0o600, 0'],
      memfd_secret: [447, 447, '0'],
    },
  ),
  systemCallCase(
    { id: 367, name: "a flush of all the machine's disks, on nobody's account" },
    {
      sync: [162, 81, ''],
      syncfs: [306, 267, 'os.open("/etc/hosts", 0)'],
    },
  ),
  systemCallCase(
    { id: 368, name: 'a look at what others have read of the files that all share' },
    {
      cachestat: [
        451,
        451,
        'os.open("/etc/passwd", 0), ctypes.create_string_buffer(16), ctypes.create_string_buffer(40), 0',
      ],
    },
  ),
  systemCallCase(
    { id: 354, name: 'files by their numbers instead of their names' },
    {
      name_to_handle_at: [
        303,
        264,
        '-100, b"/tmp", ctypes.create_string_buffer(136), ctypes.create_string_buffer(8), 0',
      ],
      open_by_handle_at: [304, 265, '-100, ctypes.create_string_buffer(136), 0'],
    },
  ),
  systemCallCase(
    { id: 355, name: 'sockets of families that reach the kernel or the machine below' },
    {
      netlink: [41, 198, '16, 3, 0'],
      'audit netlink': [41, 198, '16, 3, 9'],
      packet: [41, 198, '17, 3, 0'],
      'raw internet': [41, 198, '2, 3, 1'],
      crypto: [41, 198, '38, 5, 0'],
      'virtual machine': [41, 198, '40, 1, 0'],
      bluetooth: [41, 198, '31, 3, 0'],
      controller: [41, 198, '29, 3, 1'],
      'pair of another family': [53, 199, '30, 5, 0, ctypes.create_string_buffer(8)'],
      'pair of netlink': [53, 199, '16, 3, 0, ctypes.create_string_buffer(8)'],
    },
  ),
  systemCallCase(
    { id: 356, name: 'another personality, with memory that may be executed' },
    {
      'everything readable executable': [135, 92, '0x0400000'],
      'no random addresses': [135, 92, '0x0040000'],
      uselib: [134, 0, 'b"/tmp/x"'],
      modify_ldt: [154, 0, '0, 0, 0'],
    },
  ),
  {
    id: 357,
    group: 'privilege',
    name: "system calls by numbers of another architecture, which the filter's list does not mean",
    harmless: true,
    attacks: killedByFilter(
      `${SYSTEM}
# x32 has numbers of its own on x86-64; elsewhere there is nothing of the kind to try.
if platform.machine() == "x86_64": system(0x40000000 | 165, 0, b"none", b"/tmp", b"tmpfs", 0, 0)
else: end()`,
    ),
  },
  {
    id: 358,
    group: 'privilege',
    name: 'a system call of the 32-bit kind, from machine code of its own',
    harmless: true,
    attacks: killedByFilter(
      `import ctypes, mmap, platform
# mov eax, 20 (getpid); int 0x80; ret
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
if platform.machine() == "x86_64": code()
else: end()`,
    ),
  },
];
