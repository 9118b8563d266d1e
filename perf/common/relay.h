/*
 * perf/common/relay.h - a relay between a node and its seed, in C++, that counts the bytes.
 *
 *   node ----> relay ----> seed          as many connections as come, each with two threads
 *        <----       <----
 */
#pragma once

#include "perf/common/nodes.h"

#include <cerrno>
#include <list>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

class relay {
  public:
    /* `seed` is an IPv4 address with its port. */
    explicit relay(const char *seed)
    {
        const std::string text = seed;
        const size_t colon = text.rfind(':');
        sockaddr_in own = {};
        socklen_t size = sizeof own;

        target.sin_family = AF_INET;
        target.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(colon + 1))));
        inet_pton(AF_INET, text.substr(0, colon).c_str(), &target.sin_addr);
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        must_be_done(bind(listener, reinterpret_cast<sockaddr *>(&own), size));
        must_be_done(listen(listener, 16));
        must_be_done(getsockname(listener, reinterpret_cast<sockaddr *>(&own), &size));
        name = "127.0.0.1:" + std::to_string(ntohs(own.sin_port));
        acceptor = std::thread([this] { accept_all(); });
    }

    /* Once the node and its seed have closed their connections, or soon will. */
    ~relay()
    {
        shutdown(listener, SHUT_RDWR);
        acceptor.join();
        for (std::thread &pump : pumps) {
            pump.join();
        }
        for (int end : ends) {
            close(end);
        }
        close(listener);
    }

    relay(const relay &) = delete;
    relay &operator=(const relay &) = delete;

    const char *address() const
    {
        return name.c_str();
    }

    /* What has passed so far, both ways together. */
    uint64_t bytes() const
    {
        return passed;
    }

  private:
    static void must_be_done(int result)
    {
        must(result < 0 ? -errno : 0, "the relay");
    }

    void accept_all()
    {
        int near;

        while ((near = accept(listener, nullptr, nullptr)) >= 0) {
            int far = socket(AF_INET, SOCK_STREAM, 0);
            must_be_done(connect(far, reinterpret_cast<sockaddr *>(&target), sizeof target));
            ends.push_back(near);
            ends.push_back(far);
            pumps.emplace_back([=] { pump(near, far); });
            pumps.emplace_back([=] { pump(far, near); });
        }
    }

    /* An end that closes is passed on too. */
    void pump(int from, int to)
    {
        char chunk[65536];
        ssize_t got;

        while ((got = read(from, chunk, sizeof chunk)) > 0 && pass(to, chunk, got)) {
            passed += static_cast<uint64_t>(got);
        }
        shutdown(from, SHUT_RD);
        shutdown(to, SHUT_WR);
    }

    static bool pass(int to, const char *bytes, ssize_t size)
    {
        while (size > 0) {
            const ssize_t sent = send(to, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
            if (sent < 0) {
                return false;
            }
            bytes += sent;
            size -= sent;
        }
        return true;
    }

    sockaddr_in target = {};
    int listener;
    std::string name;
    std::thread acceptor;
    std::list<std::thread> pumps;
    std::list<int> ends;
    std::atomic<uint64_t> passed{0};
};
