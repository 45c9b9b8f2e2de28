/*
 * librabbitmq, the AMQP client in C, doing what our scripts do with as many messages in flight: the ceiling.
 *
 *     librabbitmq URL publish < rows.csv        each line a message, confirmed
 *     librabbitmq URL consume COUNT PREFETCH    acknowledged one by one, then it ends
 *
 *     librabbitmq version
 *
 * Prints {"seconds","rows"}: from the first message to the last confirm or acknowledgement.
 */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHANNEL 1
#define IN_FLIGHT 300

static const char *QUEUE = "task_queue";
static amqp_connection_state_t connection;

static void fail(const char *what) {
  fprintf(stderr, "librabbitmq: %s\n", what);
  exit(1);
}

static void expect(int status, const char *what) {
  if (status != AMQP_STATUS_OK) fail(what);
}

static void expect_reply(const char *what) {
  if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) fail(what);
}

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void report(double started, uint64_t rows) {
  printf("{\"seconds\":%.6f,\"rows\":%llu}\n", now(CLOCK_MONOTONIC) - started,
         (unsigned long long)rows);
  fflush(stdout);
}

static void open_channel(char *url) {
  struct amqp_connection_info info;
  expect(amqp_parse_url(url, &info), "the URL can't be read");
  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  expect(amqp_socket_open(socket, info.host, info.port), "no broker");
  amqp_rpc_reply_t login = amqp_login(connection, info.vhost, 0, AMQP_DEFAULT_FRAME_SIZE, 0,
                                      AMQP_SASL_METHOD_PLAIN, info.user, info.password);
  if (login.reply_type != AMQP_RESPONSE_NORMAL) fail("the login is refused");
  amqp_channel_open(connection, CHANNEL);
  expect_reply("no channel");
  amqp_table_entry_t type = {
      .key = amqp_cstring_bytes("x-queue-type"),
      .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("quorum")}};
  amqp_table_t arguments = {.num_entries = 1, .entries = &type};
  amqp_queue_declare(connection, CHANNEL, amqp_cstring_bytes(QUEUE), 0, 1, 0, 0, arguments);
  expect_reply("the queue can't be declared");
}

/* Waits for one confirm, which may stand for several; returns the highest tag confirmed. */
static uint64_t wait_for_confirm(void) {
  amqp_frame_t frame;
  expect(amqp_simple_wait_frame(connection, &frame), "the connection is lost");
  if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
    fail("a message was returned or nacked");
  uint64_t tag = ((amqp_basic_ack_t *)frame.payload.method.decoded)->delivery_tag;
  amqp_maybe_release_buffers(connection);
  return tag;
}

static void publish(void) {
  amqp_confirm_select(connection, CHANNEL);
  expect_reply("no confirms");
  amqp_table_entry_t at = {.key = amqp_cstring_bytes("published-at"),
                           .value = {.kind = AMQP_FIELD_KIND_I64}};
  amqp_basic_properties_t properties = {
      ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG |
                AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_APP_ID_FLAG | AMQP_BASIC_HEADERS_FLAG,
      .delivery_mode = 2,
      .content_type = amqp_cstring_bytes("text/plain"),
      .app_id = amqp_cstring_bytes("librabbitmq"),
      .headers = {.num_entries = 1, .entries = &at}};
  char *line = NULL;
  size_t size = 0;
  ssize_t length;
  /* The broker confirms in order here: a single node, a single queue. */
  uint64_t sent = 0, confirmed = 0;
  double started = now(CLOCK_MONOTONIC);
  while ((length = getline(&line, &size, stdin)) > 0) {
    if (line[length - 1] == '\n') length--;
    while (sent - confirmed >= IN_FLIGHT) confirmed = wait_for_confirm();
    char id[40];
    snprintf(id, sizeof id, "librabbitmq/%llu", (unsigned long long)++sent);
    properties.message_id = amqp_cstring_bytes(id);
    at.value.value.i64 = (int64_t)(now(CLOCK_REALTIME) * 1000);
    expect(amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(QUEUE), 1,
                              0, &properties, (amqp_bytes_t){length, line}),
           "a message can't be sent");
  }
  while (confirmed < sent) confirmed = wait_for_confirm();
  report(started, sent);
  free(line);
}

static void consume(uint64_t count, uint16_t prefetch) {
  amqp_basic_qos(connection, CHANNEL, 0, prefetch, 0);
  expect_reply("no prefetch");
  double started = now(CLOCK_MONOTONIC);
  amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(QUEUE), amqp_empty_bytes, 0, 0, 0,
                     amqp_empty_table);
  expect_reply("no consumer");
  for (uint64_t handled = 0; handled < count; handled++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    if (amqp_consume_message(connection, &envelope, NULL, 0).reply_type != AMQP_RESPONSE_NORMAL)
      fail("no delivery");
    expect(amqp_basic_ack(connection, CHANNEL, envelope.delivery_tag, 0), "no acknowledgement");
    amqp_destroy_envelope(&envelope);
  }
  report(started, count);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "version") == 0) {
    puts(amqp_version());
    return 0;
  }
  if (argc < 3) fail("give URL publish, or URL consume COUNT PREFETCH");
  open_channel(argv[1]);
  if (strcmp(argv[2], "publish") == 0) {
    publish();
  } else {
    if (argc < 5) fail("give COUNT and PREFETCH");
    consume(strtoull(argv[3], NULL, 10), (uint16_t)atoi(argv[4]));
  }
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
  return 0;
}
