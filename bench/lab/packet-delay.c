/*
 * packet-delay QUEUE DELAY_MS: holds every packet of a netfilter queue for a fixed time, then accepts it.
 *
 * Copies no payload (NFQNL_COPY_META), keeps large packets whole (NFQA_CFG_F_GSO) and releases them with batch verdicts,
 * so that a packet costs about one small recv. Belongs on the receiving side: held on the way out, a packet would still
 * count against its sender's socket. Writes "ready" once it has the queue.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Packets held at most: a second of small packets at a gigabit. A power of two. */
#define RING_SIZE (1u << 18)

/* Messages taken in one go before what is due is released again. */
#define RECEIVE_BATCH 64

#define NS_PER_SECOND 1000000000LL

static uint32_t packet_ids[RING_SIZE];
static int64_t due_ns[RING_SIZE];
static uint32_t oldest, next_free;
static int queue_socket;
static uint16_t queue_number;

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static void send_attribute(int message_type, int attribute_type, const void *data, size_t length) {
  char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
  struct nlmsghdr *message = (struct nlmsghdr *)buffer;
  struct nfgenmsg *header = NLMSG_DATA(message);
  struct nlattr *attribute = (struct nlattr *)(buffer + NLMSG_ALIGN(NLMSG_LENGTH(sizeof *header)));
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  message->nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | message_type;
  message->nlmsg_flags = NLM_F_REQUEST;
  header->version = NFNETLINK_V0;
  header->res_id = htons(queue_number);
  attribute->nla_type = attribute_type;
  attribute->nla_len = NLA_HDRLEN + length;
  memcpy((char *)attribute + NLA_HDRLEN, data, length);
  message->nlmsg_len = NLMSG_ALIGN(NLMSG_LENGTH(sizeof *header)) + NLA_ALIGN(attribute->nla_len);
  if (sendto(queue_socket, buffer, message->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
    perror("send to netfilter");
    exit(1);
  }
}

static void open_queue(void) {
  struct sockaddr_nl self = {.nl_family = AF_NETLINK};
  int receive_buffer = 32 << 20, on = 1;
  struct nfqnl_msg_config_cmd bind_command = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
  struct nfqnl_msg_config_params no_payload = {.copy_range = htonl(0), .copy_mode = NFQNL_COPY_META};
  uint32_t flags = htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN), length = htonl(RING_SIZE - 1);
  queue_socket = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  if (queue_socket < 0 || bind(queue_socket, (struct sockaddr *)&self, sizeof self) < 0) {
    perror("netlink socket");
    exit(1);
  }
  setsockopt(queue_socket, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer);
  setsockopt(queue_socket, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  send_attribute(NFQNL_MSG_CONFIG, NFQA_CFG_CMD, &bind_command, sizeof bind_command);
  send_attribute(NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS, &no_payload, sizeof no_payload);
  send_attribute(NFQNL_MSG_CONFIG, NFQA_CFG_MASK, &flags, sizeof flags);
  send_attribute(NFQNL_MSG_CONFIG, NFQA_CFG_FLAGS, &flags, sizeof flags);
  send_attribute(NFQNL_MSG_CONFIG, NFQA_CFG_QUEUE_MAXLEN, &length, sizeof length);
}

/* Accepts everything whose time has come; packet numbers rise, so the last one stands for all before it. */
static void release_due(void) {
  int64_t time = now_ns();
  uint32_t last = 0;
  int has_due = 0;
  for (; oldest != next_free && due_ns[oldest % RING_SIZE] <= time; oldest++) {
    last = packet_ids[oldest % RING_SIZE];
    has_due = 1;
  }
  if (has_due) {
    struct nfqnl_msg_verdict_hdr verdict = {htonl(NF_ACCEPT), htonl(last)};
    send_attribute(NFQNL_MSG_VERDICT_BATCH, NFQA_VERDICT_HDR, &verdict, sizeof verdict);
  }
}

static void wait_for_packet_or_due(void) {
  struct pollfd readable = {queue_socket, POLLIN, 0};
  struct timespec wait = {3600, 0};
  if (oldest != next_free) {
    int64_t left = due_ns[oldest % RING_SIZE] - now_ns();
    if (left < 0) left = 0;
    wait.tv_sec = left / NS_PER_SECOND;
    wait.tv_nsec = left % NS_PER_SECOND;
  }
  ppoll(&readable, 1, &wait, NULL);
}

static void hold_packet(const struct nlmsghdr *message, int64_t due) {
  const char *attributes = (const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  int left = message->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
  while (left >= (int)sizeof(struct nlattr)) {
    const struct nlattr *attribute = (const struct nlattr *)attributes;
    if (attribute->nla_len < sizeof *attribute || attribute->nla_len > left) return;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR && next_free - oldest < RING_SIZE) {
      const struct nfqnl_msg_packet_hdr *packet = (const void *)(attributes + NLA_HDRLEN);
      packet_ids[next_free % RING_SIZE] = ntohl(packet->packet_id);
      due_ns[next_free % RING_SIZE] = due;
      next_free++;
      return;
    }
    left -= NLA_ALIGN(attribute->nla_len);
    attributes += NLA_ALIGN(attribute->nla_len);
  }
}

static void receive_packets(int64_t delay_ns) {
  static char buffer[1 << 17] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (int count = 0; count < RECEIVE_BATCH; count++) {
    int length = recv(queue_socket, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length <= 0) return;
    int64_t due = now_ns() + delay_ns;
    for (struct nlmsghdr *message = (struct nlmsghdr *)buffer; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
      if (message->nlmsg_type != NLMSG_ERROR) {
        hold_packet(message, due);
        continue;
      }
      const struct nlmsgerr *failure = NLMSG_DATA(message);
      if (failure->error) fprintf(stderr, "netfilter queue: %s\n", strerror(-failure->error));
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: packet-delay QUEUE DELAY_MS\n");
    return 2;
  }
  queue_number = atoi(argv[1]);
  int64_t delay_ns = atof(argv[2]) * 1e6;
  open_queue();
  puts("ready");
  fflush(stdout);
  for (;;) {
    release_due();
    wait_for_packet_or_due();
    receive_packets(delay_ns);
  }
}
