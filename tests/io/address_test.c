#include "io/address.h"
#include "io/interface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void address_host_parse_takes_names_numbers_and_brackets(void **state)
{
    struct ptl_host host;
    (void)state;

    assert_int_equal(ptl_host_parse("rain.example:4040", &host), PTL_OK);
    assert_string_equal(host.name, "rain.example");
    assert_int_equal(host.port, 4040);
    assert_false(host.numeric);

    assert_int_equal(ptl_host_parse("127.0.0.1:0", &host), PTL_OK);
    assert_true(host.numeric);
    assert_false(host.six);

    assert_int_equal(ptl_host_parse("[fe80::1%2]:65535", &host), PTL_OK);
    assert_string_equal(host.name, "fe80::1%2");
    assert_int_equal(host.port, 65535);
    assert_true(host.numeric && host.six);

    assert_int_equal(ptl_host_parse("[localhost]:1", &host), PTL_OK);
    assert_string_equal(host.name, "localhost");
}

static void address_host_parse_refuses_what_is_no_address(void **state)
{
    static const char *const wrong[] = {
        "*:4040",
        "a,b:4040",
        "",
        ":",
        "host",
        "host:",
        ":1",
        "host:65536",
        "host:-1",
        "host:+1",
        "host: 1",
        "host:1x",
        "host:00001x",
        "[]:1",
        "[::1]",
        "::1:4040",
        "[::1:1",
        "::1]:1",
        "[[::1]]:1",
        "[::g]:1",
        "a b:1",
        "host\n:1",
        "h\xc3\xb6:1",
        "a:b:1",
        "[a:b]:1",
        "host:999999999999999999999",
    };
    struct ptl_host host;
    (void)state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (ptl_host_parse(wrong[i], &host) != PTL_EADDRESS) {
            fail_msg("accepted \"%s\"", wrong[i]);
        }
    }
}

static void address_host_parse_bounds_the_length_of_a_name(void **state)
{
    char text[PTL_HOST_TEXT_MAX + 3];
    struct ptl_host host;
    (void)state;

    memset(text, 'a', sizeof(text));
    memcpy(text + PTL_HOST_TEXT_MAX - 1, ":1", 3);
    assert_int_equal(ptl_host_parse(text, &host), PTL_OK);
    text[PTL_HOST_TEXT_MAX - 1] = 'a';
    memcpy(text + PTL_HOST_TEXT_MAX, ":1", 3);
    assert_int_equal(ptl_host_parse(text, &host), PTL_EADDRESS);
}

static void address_parse_gives_one_spelling_to_one_address(void **state)
{
    static const char *const spellings[][2] = {
        {"127.0.0.1:04040", "127.0.0.1:4040"},
        {"[0:0::1]:80", "[::1]:80"},
        {"[FE80::A%7]:1", "[fe80::a%7]:1"},
        {"[::ffff:1.2.3.4]:0", "[::ffff:1.2.3.4]:0"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%999999999]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%999999999]:65535"},
    };
    struct ptl_address address;
    (void)state;

    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        assert_int_equal(ptl_address_parse(spellings[i][0], &address), PTL_OK);
        assert_string_equal(address.text, spellings[i][1]);
    }
    assert_int_equal(ptl_address_parse("localhost:1", &address), PTL_EADDRESS);
    assert_int_equal(ptl_address_parse("1.2.3:1", &address), PTL_EADDRESS);
    assert_int_equal(ptl_address_parse("[fe80::1%eth0]:1", &address), PTL_EADDRESS);
}

static void address_survives_the_way_to_the_kernels_form_and_back(void **state)
{
    static const char *const texts[] = {"10.1.2.3:4", "[2001:db8::5]:6", "[fe80::1%2]:65535"};
    struct ptl_address address, again;
    union ptl_sockaddr sockaddr;
    socklen_t size;
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(ptl_address_parse(texts[i], &address), PTL_OK);
        assert_int_equal(ptl_address_to_sockaddr(&address, &sockaddr, &size), PTL_OK);
        assert_int_equal(size, texts[i][0] == '[' ? sizeof(sockaddr.six) : sizeof(sockaddr.four));
        ptl_address_from_sockaddr(&sockaddr, &again);
        assert_true(ptl_address_equal(&address, &again));
    }
    snprintf(address.text, sizeof(address.text), "rain:1");
    assert_int_equal(ptl_address_to_sockaddr(&address, &sockaddr, &size), PTL_EADDRESS);
}

static void address_knows_loopback_from_the_world(void **state)
{
    (void)state;
    assert_true(ptl_address_is_loopback("127.0.0.1:1"));
    assert_true(ptl_address_is_loopback("127.9.9.9:1"));
    assert_true(ptl_address_is_loopback("[::1]:1"));
    assert_true(ptl_address_is_loopback("[::ffff:127.0.0.1]:1"));
    assert_true(ptl_address_is_loopback("localhost:1"));

    assert_false(ptl_address_is_loopback("0.0.0.0:1"));
    assert_false(ptl_address_is_loopback("[::]:1"));
    assert_false(ptl_address_is_loopback("10.0.0.1:1"));
    assert_false(ptl_address_is_loopback("127.0.0.1.example:1"));
    assert_false(ptl_address_is_loopback("rain:1"));
    assert_false(ptl_address_is_loopback("nonsense"));
}

static void interface_addresses_are_the_address_itself_unless_it_stands_for_all(void **state)
{
    struct ptl_address one = {.text = "10.1.2.3:4040"}, out[PTL_INTERFACES_MAX];
    struct ptl_address all = {.text = "0.0.0.0:4040"};
    (void)state;

    assert_int_equal(ptl_interface_addresses(NULL, &one, false, out), 1);
    assert_string_equal(out[0].text, one.text);
    unsigned count = ptl_interface_addresses(NULL, &all, true, out);
    assert_in_range(count, 1, PTL_INTERFACES_MAX);
    assert_true(ptl_address_is_loopback(out[0].text));
    assert_string_equal(strrchr(out[0].text, ':'), ":4040");
    count = ptl_interface_addresses(NULL, &all, false, out);
    assert_in_range(count, 0, PTL_INTERFACES_MAX); /* none on a machine by itself */
    for (unsigned i = 0; i < count; i++) {
        assert_string_not_equal(out[i].text, all.text);
        assert_false(ptl_address_is_loopback(out[i].text));
        assert_string_equal(strrchr(out[i].text, ':'), ":4040");
    }
}

static void address_seed_parse_takes_services_too(void **state)
{
    static const char *const wrong[] = {"srv:",          "srv:a b", "srv:_a._tcp.x:1", "srv:[::1]",
                                        "SRV:_a._tcp.x", "srv",     "_a._tcp.x",       "srv:a,b"};
    char text[PTL_HOST_TEXT_MAX + 5] = "srv:";
    struct ptl_host host;

    (void)state;
    assert_int_equal(ptl_seed_parse("srv:_portolan._tcp.example", &host), PTL_OK);
    assert_string_equal(host.name, "_portolan._tcp.example");
    assert_true(host.service && !host.numeric && host.port == 0);
    assert_int_equal(ptl_host_parse("srv:_portolan._tcp.example", &host), PTL_EADDRESS);
    assert_int_equal(ptl_seed_parse("srv:4040", &host), PTL_OK); /* a host of that name */
    assert_true(!host.service && host.port == 4040);
    assert_int_equal(ptl_seed_parse("127.0.0.1:4040", &host), PTL_OK);
    assert_true(!host.service && host.numeric);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(ptl_seed_parse(wrong[i], &host), PTL_EADDRESS);
    }
    memset(text + 4, 'a', PTL_HOST_TEXT_MAX - 1);
    assert_int_equal(ptl_seed_parse(text, &host), PTL_OK);
    text[4 + PTL_HOST_TEXT_MAX - 1] = 'a';
    assert_int_equal(ptl_seed_parse(text, &host), PTL_EADDRESS);
    assert_false(ptl_address_is_loopback("srv:127.0.0.1"));
}

int main(int count, char *arguments[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_host_parse_takes_names_numbers_and_brackets),
        cmocka_unit_test(address_host_parse_refuses_what_is_no_address),
        cmocka_unit_test(address_host_parse_bounds_the_length_of_a_name),
        cmocka_unit_test(address_parse_gives_one_spelling_to_one_address),
        cmocka_unit_test(address_seed_parse_takes_services_too),
        cmocka_unit_test(address_survives_the_way_to_the_kernels_form_and_back),
        cmocka_unit_test(address_knows_loopback_from_the_world),
        cmocka_unit_test(interface_addresses_are_the_address_itself_unless_it_stands_for_all),
    };

    cmocka_set_test_filter(count > 1 ? arguments[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
