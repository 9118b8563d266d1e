/*
 * hello.cc - a node of its own, a port in it, and one question to that port, in C++.
 *
 *   c++ hello.cc $(pkg-config --cflags --libs portolan)
 *
 * or with CMake, by the CMakeLists.txt beside this file.
 */
#include <portolan/portolan.h>

#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>

namespace {

/* ["greet", NAME, REPLYPORT], on the shard of the port. */
int greet(ptl_node *node, const ptl_msg *msg, void *)
{
    const char *name;
    size_t size;
    ptl_port reply;

    if (ptl_msg_read(node, msg, "*sp.", &name, &size, &reply) < 0) {
        return 0; /* anybody may send anything */
    }
    std::string words = "ahoy, " + std::string(name, size);
    int err = ptl_sendf(node, &reply, "t", words.c_str());
    return err == PTL_ENOMEM ? err : 0;
}

/* The answer, as JSON; then main() may go on. */
void tell(ptl_node *, int err, const ptl_msg *reply, void *data)
{
    std::unique_ptr<char, void (*)(void *)> json(err < 0 ? nullptr : ptl_msg_json(reply), free);

    static_cast<std::promise<std::string> *>(data)->set_value(json ? json.get()
                                                                   : ptl_err_text(err));
}

/* Ask the hall, and wait. */
int ask(ptl_node *node, const ptl_port *hall)
{
    std::promise<std::string> answer;
    ptl_msg *question;

    int err = ptl_msg_make(node, &question, "tt", "greet", "sailor");
    if (err < 0) {
        return err;
    }
    err = ptl_call(node, hall, question, 5000, true, tell, &answer);
    ptl_msg_free(question);
    if (err == 0) {
        std::cout << answer.get_future().get() << std::endl;
    }
    return err;
}

} // namespace

int main()
{
    ptl_node_options options{};
    const ptl_port_tag tags[] = {{"greet", greet, nullptr}, {nullptr, nullptr, nullptr}};
    ptl_port_options about{};
    ptl_node *node;
    ptl_port hall;

    options.size = sizeof options;
    options.id = "example";
    options.shards = 1;
    int err = ptl_node_start(&options, &node);
    if (err < 0) {
        std::cerr << ptl_err_text(err) << std::endl;
        return 1;
    }
    about.size = sizeof about;
    about.name = "hall";
    about.tags = tags;
    err = ptl_port_new(node, &about, &hall);
    if (err == 0) {
        err = ask(node, &hall);
    }
    ptl_node_stop(node, 1000);
    return err == 0 ? 0 : 1;
}
