// Both ends of the path's measurement, as cheap as they can be, since they share the cores with what is measured:
//   http serve [PORT]                              an OpenAI-compatible server whose answer is fixed; asked to hang it begins a stream and stops
//   http load PORT PATH CONNECTIONS SECONDS <body  that many kept-alive connections, each asking again as soon as it is answered
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER "The answer is fixed."
#define USAGE "{\"prompt_tokens\":12,\"completion_tokens\":5,\"total_tokens\":17}"
#define CHUNK "\"id\":\"fixed\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"fixed\""
#define MOST 4096

typedef struct { int fd; char *data; size_t used, size; } Peer;

static char *models, *missing, *whole, *stream, *begun;

static void die(const char *what) { perror(what); exit(1); }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static char *answer(const char *status, const char *type, const char *body) {
    char *text = NULL;
    if (asprintf(&text, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, type, strlen(body), body) < 0) die("memory");
    return text;
}

static void prepare(void) {
    static const char *events[] = {
        "{" CHUNK ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"" ANSWER "\"},\"finish_reason\":null}]}",
        "{" CHUNK ",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
        "{" CHUNK ",\"choices\":[],\"usage\":" USAGE "}",
        "[DONE]",
    };
    static char text[MOST];
    int at = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        at += sprintf(text + at, "%zx\r\ndata: %s\n\n\r\n", strlen(events[i]) + 8, events[i]);
        if (i == 0 && !(begun = strdup(text))) die("memory");
    }
    sprintf(text + at, "0\r\n\r\n");
    stream = text;
    models = answer("200 OK", "application/json", "{\"object\":\"list\",\"data\":[{\"id\":\"fixed\",\"object\":\"model\",\"max_model_len\":131072}]}");
    missing = answer("404 Not Found", "application/json", "{}");
    whole = answer("200 OK", "application/json",
        "{\"id\":\"fixed\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"fixed\",\"usage\":" USAGE
        ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" ANSWER "\"},\"finish_reason\":\"stop\"}]}");
}

/// Length of the whole message at the start of the buffer, 0 while it is not all there; the head is ended by a NUL then.
static size_t message(Peer *peer, char **body) {
    char *end = memmem(peer->data, peer->used, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = end + 4 - peer->data, length = 0;
    for (char *line = peer->data; line < end; line++)
        if (*line == '\n' && strncasecmp(line + 1, "content-length:", 15) == 0) length = strtoul(line + 16, NULL, 10);
    if (peer->used < head + length) return 0;
    *end = 0;
    *body = peer->data + head;
    return head + length;
}

/// 0 when the other end is gone.
static int receive(Peer *peer) {
    if (peer->size - peer->used < 65536 && !(peer->data = realloc(peer->data, peer->size = 2 * peer->size + 65536))) die("memory");
    ssize_t count = recv(peer->fd, peer->data + peer->used, peer->size - peer->used, 0);
    if (count > 0) peer->used += count;
    return count > 0;
}

static void transmit(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
        if (count <= 0) return;
        bytes += count;
        length -= count;
    }
}

static void watch(int poll, Peer *peer) {
    int yes = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };
    if (epoll_ctl(poll, EPOLL_CTL_ADD, peer->fd, &event) != 0) die("epoll");
}

static Peer *meet(int fd) {
    Peer *peer = calloc(1, sizeof *peer);
    if (!peer) die("memory");
    peer->fd = fd;
    return peer;
}

static _Noreturn void serve(int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 256) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0) die("listen");
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL }, ready[64];
    if (epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll");
    prepare();
    printf("{\"url\":\"http://127.0.0.1:%d\"}\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(poll, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            Peer *peer = ready[i].data.ptr;
            if (!peer) {
                int fd = accept(listener, NULL, NULL);
                if (fd >= 0) watch(poll, meet(fd));
                continue;
            }
            if (!receive(peer)) {
                close(peer->fd);
                free(peer->data);
                free(peer);
                continue;
            }
            char *body;
            for (size_t length; (length = message(peer, &body)) > 0;) {
                size_t rest = peer->data + length - body;
                const char *reply = strncmp(peer->data, "GET /v1/models ", 15) == 0 ? models
                    : strncmp(peer->data, "GET ", 4) == 0 ? missing
                    : !memmem(body, rest, "\"stream\":true", 13) ? whole
                    : memmem(body, rest, "please hang", 11) ? begun : stream;
                transmit(peer->fd, reply, strlen(reply));
                memmove(peer->data, peer->data + length, peer->used -= length);
            }
        }
    }
}

static int load(int port, const char *path, int connections, double seconds) {
    static char body[MOST], request[2 * MOST];
    size_t length = fread(body, 1, sizeof body, stdin);
    int head = snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", path, port, length);
    if (head < 0 || head + length > sizeof request) return 2;
    memcpy(request + head, body, length);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int poll = epoll_create1(0), open = connections;
    long done = 0;
    double start = now();
    for (int i = 0; i < connections; i++) {
        Peer *peer = meet(socket(AF_INET, SOCK_STREAM, 0));
        if (connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
        watch(poll, peer);
        transmit(peer->fd, request, head + length);
    }
    while (open > 0) {
        struct epoll_event ready[64];
        int count = epoll_wait(poll, ready, 64, 30000);
        if (count == 0) { fprintf(stderr, "no answer for 30 s\n"); return 1; }
        for (int i = 0; i < count; i++) {
            Peer *peer = ready[i].data.ptr;
            char *text;
            if (!receive(peer)) { fprintf(stderr, "the connection was closed\n"); return 1; }
            size_t size = message(peer, &text);
            if (size == 0) continue;
            if (strncmp(peer->data + 9, "200", 3) != 0) { fprintf(stderr, "%.12s: %.300s\n", peer->data, text); return 1; }
            peer->used = 0;
            done++;
            if (now() - start < seconds) transmit(peer->fd, request, head + length);
            else open--;
        }
    }
    printf("%ld %.6f\n", done, now() - start);
    return 0;
}

int main(int count, char **arguments) {
    if ((count == 2 || count == 3) && strcmp(arguments[1], "serve") == 0) serve(count == 3 ? atoi(arguments[2]) : 0);
    if (count == 6 && strcmp(arguments[1], "load") == 0) return load(atoi(arguments[2]), arguments[3], atoi(arguments[4]), atof(arguments[5]));
    fprintf(stderr, "usage: http serve [PORT] | http load PORT PATH CONNECTIONS SECONDS <body\n");
    return 2;
}
