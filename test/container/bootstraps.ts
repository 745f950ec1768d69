/**
 * Bootstraps for the runtime `provided` as its users write them: one each in shell, Perl, Python and C, which do the
 * same for the same event.
 *
 * Events are `{"do": WHAT, …}`. `echo` answers the event, `env` the environment, `headers` what came with the event,
 * `error` fails through the API, and `calls` says how many have been answered by this process.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const SHELL = `#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
head="$(mktemp)"
calls=0
header() { sed -n "s/^$1: *\\([^\\r]*\\).*/\\1/pI" "$head"; }
while true; do
  event="$(curl -sS -D "$head" "$api/invocation/next")"
  id="$(header lambda-runtime-aws-request-id)"
  calls=$((calls + 1))
  to=response
  case "$event" in
    *'"do":"echo"'*) answer="{\\"echo\\":$event}" ;;
    *'"do":"env"'*) answer="{\\"handler\\":\\"$_HANDLER\\",\\"root\\":\\"$LAMBDA_TASK_ROOT\\",\\"cwd\\":\\"$PWD\\",\\"name\\":\\"$AWS_LAMBDA_FUNCTION_NAME\\",\\"version\\":\\"$AWS_LAMBDA_FUNCTION_VERSION\\",\\"memory\\":\\"$AWS_LAMBDA_FUNCTION_MEMORY_SIZE\\",\\"region\\":\\"$AWS_REGION\\",\\"runtime\\":\\"$LAMBDA_RUNTIME_DIR\\",\\"home\\":\\"$HOME\\",\\"own\\":\\"$OWN\\",\\"uid\\":$(id -u)}" ;;
    *'"do":"headers"'*) answer="{\\"id\\":\\"$id\\",\\"deadline\\":$(header lambda-runtime-deadline-ms),\\"now\\":$(date +%s%3N),\\"arn\\":\\"$(header lambda-runtime-invoked-function-arn)\\",\\"trace\\":\\"$(header lambda-runtime-trace-id)\\"}" ;;
    *'"do":"error"'*) to=error; answer='{"errorMessage":"out of stock","errorType":"Shop.OutOfStock","stackTrace":["line 1","line 2"]}' ;;
    *'"do":"calls"'*) answer="{\\"calls\\":$calls}" ;;
  esac
  echo "call $calls" >&2
  curl -sS -o /dev/null --data-binary "$answer" "$api/invocation/$id/$to"
done
`;

export const PERL = `#!/usr/bin/perl
use strict; use warnings; use IO::Socket::INET;
my $prefix = "/2018-06-01/runtime";
sub ask {
  my ($method, $path, $body) = @_;
  my $socket = IO::Socket::INET->new(PeerAddr => $ENV{AWS_LAMBDA_RUNTIME_API}) or die "no connection: $!";
  my $length = defined $body ? "Content-Length: " . length($body) . "\\r\\n" : "";
  print $socket "$method $prefix$path HTTP/1.1\\r\\nHost: api\\r\\nConnection: close\\r\\n$length\\r\\n" . ($body // "");
  local $/; my $answer = <$socket>;
  my ($head, $content) = split /\\r\\n\\r\\n/, $answer, 2;
  my %headers = map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () } split /\\r\\n/, $head;
  return ($content, \\%headers);
}
my $calls = 0;
while (1) {
  my ($event, $headers) = ask("GET", "/invocation/next");
  my $id = $headers->{"lambda-runtime-aws-request-id"};
  my ($to, $answer) = ("response", ""); $calls++;
  if ($event =~ /"do":"echo"/) { $answer = "{\\"echo\\":$event}" }
  elsif ($event =~ /"do":"env"/) {
    my %of = (handler => "_HANDLER", root => "LAMBDA_TASK_ROOT", cwd => "PWD_NOW", name => "AWS_LAMBDA_FUNCTION_NAME",
      version => "AWS_LAMBDA_FUNCTION_VERSION", memory => "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", region => "AWS_REGION",
      runtime => "LAMBDA_RUNTIME_DIR", home => "HOME", own => "OWN");
    $ENV{PWD_NOW} = readlink "/proc/self/cwd";
    $answer = "{" . join(",", map { "\\"$_\\":\\"$ENV{$of{$_}}\\"" } sort keys %of) . ",\\"uid\\":$<}";
  }
  elsif ($event =~ /"do":"headers"/) {
    my $now = time() * 1000;
    $answer = "{\\"id\\":\\"$id\\",\\"deadline\\":$headers->{'lambda-runtime-deadline-ms'},\\"now\\":$now,\\"arn\\":\\"$headers->{'lambda-runtime-invoked-function-arn'}\\",\\"trace\\":\\"$headers->{'lambda-runtime-trace-id'}\\"}";
  }
  elsif ($event =~ /"do":"error"/) { $to = "error"; $answer = '{"errorMessage":"out of stock","errorType":"Shop.OutOfStock","stackTrace":["line 1","line 2"]}' }
  elsif ($event =~ /"do":"calls"/) { $answer = "{\\"calls\\":$calls}" }
  print STDERR "call $calls\\n";
  ask("POST", "/invocation/$id/$to", $answer);
}
`;

export const PYTHON = `#!/usr/bin/python3
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, value=None):
    api.request(method, "/2018-06-01/runtime" + path, None if value is None else json.dumps(value))
    response = api.getresponse()
    return response.read(), response.headers
calls = 0
while True:
    event, headers = ask("GET", "/invocation/next")
    event = json.loads(event)
    id = headers["Lambda-Runtime-Aws-Request-Id"]
    calls += 1
    to, what = "response", event["do"]
    if what == "echo":
        answer = {"echo": event}
    elif what == "env":
        names = {"handler": "_HANDLER", "root": "LAMBDA_TASK_ROOT", "name": "AWS_LAMBDA_FUNCTION_NAME",
            "version": "AWS_LAMBDA_FUNCTION_VERSION", "memory": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "region": "AWS_REGION", "runtime": "LAMBDA_RUNTIME_DIR", "home": "HOME", "own": "OWN"}
        answer = {"cwd": os.getcwd(), "uid": os.getuid(), **{key: os.environ[name] for key, name in names.items()}}
    elif what == "headers":
        answer = {"id": id, "deadline": int(headers["Lambda-Runtime-Deadline-Ms"]), "now": int(time.time() * 1000),
            "arn": headers["Lambda-Runtime-Invoked-Function-Arn"], "trace": headers["Lambda-Runtime-Trace-Id"]}
    elif what == "error":
        to, answer = "error", {"errorMessage": "out of stock", "errorType": "Shop.OutOfStock", "stackTrace": ["line 1", "line 2"]}
    elif what == "calls":
        answer = {"calls": calls}
    print("call", calls, file=sys.stderr, flush=True)
    ask("POST", f"/invocation/{id}/{to}", answer)
`;

const C = `
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#define SIZE 65536
static char text[SIZE];
static char *ask(const char *head, const char *body) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    char host[64], request[SIZE];
    snprintf(host, sizeof host, "%.*s", (int)strcspn(api, ":"), api);
    inet_pton(AF_INET, host, &to.sin_addr);
    to.sin_port = htons((unsigned short)atoi(strchr(api, ':') + 1));
    int s = socket(AF_INET, SOCK_STREAM, 0), length;
    if (connect(s, (struct sockaddr *)&to, sizeof to)) exit(1);
    if (body) length = snprintf(request, sizeof request, "%s HTTP/1.1\\r\\nHost: api\\r\\nConnection: close\\r\\nContent-Length: %zu\\r\\n\\r\\n%s", head, strlen(body), body);
    else length = snprintf(request, sizeof request, "%s HTTP/1.1\\r\\nHost: api\\r\\nConnection: close\\r\\n\\r\\n", head);
    if (write(s, request, (size_t)length) != length) exit(1);
    size_t held = 0;
    for (ssize_t n; (n = read(s, text + held, SIZE - 1 - held)) > 0;) held += (size_t)n;
    text[held] = 0;
    close(s);
    char *content = strstr(text, "\\r\\n\\r\\n");
    if (!content) exit(1);
    return content + 4;
}
static void header(const char *name, char *value, size_t size) {
    char *at = strcasestr(text, name);
    if (!at) exit(1);
    at += strlen(name) + 2;
    snprintf(value, size, "%.*s", (int)strcspn(at, "\\r\\n"), at);
}
int main(void) {
    for (int calls = 1;; calls++) {
        static char event[SIZE], answer[SIZE], head[256], id[80], deadline[40], arn[200], trace[200], cwd[200];
        const char *to = "response";
        snprintf(event, sizeof event, "%s", ask("GET /2018-06-01/runtime/invocation/next", NULL));
        header("Lambda-Runtime-Aws-Request-Id", id, sizeof id);
        header("Lambda-Runtime-Deadline-Ms", deadline, sizeof deadline);
        header("Lambda-Runtime-Invoked-Function-Arn", arn, sizeof arn);
        header("Lambda-Runtime-Trace-Id", trace, sizeof trace);
        struct timeval now;
        gettimeofday(&now, NULL);
        if (strstr(event, "\\"do\\":\\"echo\\"")) snprintf(answer, sizeof answer, "{\\"echo\\":%s}", event);
        else if (strstr(event, "\\"do\\":\\"env\\"")) snprintf(answer, sizeof answer,
            "{\\"handler\\":\\"%s\\",\\"root\\":\\"%s\\",\\"cwd\\":\\"%s\\",\\"name\\":\\"%s\\",\\"version\\":\\"%s\\",\\"memory\\":\\"%s\\",\\"region\\":\\"%s\\",\\"runtime\\":\\"%s\\",\\"home\\":\\"%s\\",\\"own\\":\\"%s\\",\\"uid\\":%d}",
            getenv("_HANDLER"), getenv("LAMBDA_TASK_ROOT"), getcwd(cwd, sizeof cwd), getenv("AWS_LAMBDA_FUNCTION_NAME"), getenv("AWS_LAMBDA_FUNCTION_VERSION"),
            getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), getenv("AWS_REGION"), getenv("LAMBDA_RUNTIME_DIR"), getenv("HOME"), getenv("OWN"), (int)getuid());
        else if (strstr(event, "\\"do\\":\\"headers\\"")) snprintf(answer, sizeof answer, "{\\"id\\":\\"%s\\",\\"deadline\\":%s,\\"now\\":%lld,\\"arn\\":\\"%s\\",\\"trace\\":\\"%s\\"}",
            id, deadline, (long long)now.tv_sec * 1000 + now.tv_usec / 1000, arn, trace);
        else if (strstr(event, "\\"do\\":\\"error\\"")) {
            to = "error";
            strcpy(answer, "{\\"errorMessage\\":\\"out of stock\\",\\"errorType\\":\\"Shop.OutOfStock\\",\\"stackTrace\\":[\\"line 1\\",\\"line 2\\"]}");
        } else snprintf(answer, sizeof answer, "{\\"calls\\":%d}", calls);
        fprintf(stderr, "call %d\\n", calls);
        snprintf(head, sizeof head, "POST /2018-06-01/runtime/invocation/%s/%s", id, to);
        ask(head, answer);
    }
}`;

/** A static program, which needs nothing of the image. */
export const compiled = (source: string = C, defines: readonly string[] = []): Buffer => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-compiled-'));
  const [main, program] = [join(folder, 'main.c'), join(folder, 'program')];
  try {
    writeFileSync(main, source);
    const flags = ['-O1', '-w', '-D_GNU_SOURCE', '-static', ...defines.map((define) => `-D${define}`)];
    execFileSync('gcc', [...flags, '-o', program, main], { stdio: 'pipe' });
    return readFileSync(program);
  } finally {
    rmSync(folder, { recursive: true });
  }
};
