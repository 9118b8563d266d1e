/*
 * io/err.h - the one list of what can go wrong.
 *
 * Every function that can fail returns a negative code: either one of ours, below, or a kernel's
 * -errno just as it came (the kernel never returns less than -4095).  0 is success, a positive
 * value a count.  Each code stands here once, with its name and the line an operator reads.
 */
#pragma once

#define PTL_MUST_CHECK __attribute__((warn_unused_result))

/* X(name, value, what went wrong and what to do about it) */
#define PTL_ERRORS(X)                                                                              \
    X(PTL_EFULL, -5001, "no room on the way to that port: keep the message, wait for room")        \
    X(PTL_ENOMEM, -5002, "out of memory: the operation was refused")                               \
    X(PTL_EINVAL, -5003, "an argument is outside what this function takes: see its comment")       \
    X(PTL_ENAME, -5004, "not a valid name: a node ID has no '#', IDs are at most 231 bytes")       \
    X(PTL_EEXIST, -5005, "a port of that name exists already: choose another name")                \
    X(PTL_ENOPORT, -5006, "no such port")                                                          \
    X(PTL_ENOFUNC, -5007, "no init function of that name is registered on the node")               \
    X(PTL_ESTOPPED, -5008, "the node is stopping or stopped")                                      \
    X(PTL_ETIMEOUT, -5009, "no answer in time")                                                    \
    X(PTL_ESIZE, -5010, "larger than the limit allows: raise --max-message or send less")          \
    X(PTL_ETYPE, -5011, "the value is not of the type that was asked for")                         \
    X(PTL_EEND, -5012, "the message has no more values")                                           \
    X(PTL_ESYNTAX, -5013, "bytes that are not valid in this encoding")                             \
    X(PTL_EDEPTH, -5014, "values are nested deeper than 500 levels")                               \
    X(PTL_EMORE, -5015, "the bytes end inside an item: feed more")                                 \
    X(PTL_EGREETING, -5016, "the peer's greeting is not one of the AEMP protocol")                 \
    X(PTL_ELINE, -5017, "the peer sent a handshake line of more than 4096 bytes")                  \
    X(PTL_EVERSION, -5018, "the peer speaks another version of the protocol than 1")               \
    X(PTL_EMETHOD, -5019, "no authentication method suits both: compare their secrets and --tls")  \
    X(PTL_EFRAMING, -5020, "no framing is known to both sides: compare the --framing options")     \
    X(PTL_EAUTH, -5021, "the peer's proof is wrong: the two nodes have different secrets")         \
    X(PTL_EECHO, -5022, "the peer sent our own greeting back")                                     \
    X(PTL_ESELF, -5023, "the address leads back to this node")                                     \
    X(PTL_ETWIN, -5024, "another node uses this node's ID: give every node an ID of its own")      \
    X(PTL_EDUPLICATE, -5025, "the peer is linked already: the second connection is refused")       \
    X(PTL_EHANDSHAKE, -5026, "the handshake was not finished in time")                             \
    X(PTL_EHALFOPEN, -5027, "too many unfinished handshakes: this one had to go")                  \
    X(PTL_EPACKET, -5028, "the peer sent something that is not a packet")                          \
    X(PTL_ECLOSED, -5029, "the peer closed the connection")                                        \
    X(PTL_ESILENT, -5030, "the peer has been silent for too long")                                 \
    X(PTL_EADDRESS, -5031, "not an address of the form HOST:PORT")                                 \
    X(PTL_ERESOLVE, -5032, "the host name cannot be resolved")                                     \
    X(PTL_EFEATURE, -5033, "io_uring cannot be had as it is needed (Linux 6.1): let it be epoll")  \
    X(PTL_ENOADDRESS, -5034, "no known address")                                                   \
    X(PTL_EHANDLER, -5035, "the handler failed")                                                   \
    X(PTL_LATER, -5036, "not now: the message stays first and the port waits")                     \
    X(PTL_ESECRET, -5037, "a secret of less than 16 bytes is good for loopback only")              \
    X(PTL_ELIMIT, -5038, "a limit of the node's options is reached")                               \
    X(PTL_ELOST, -5039, "messages were lost")                                                      \
    X(PTL_ESWITCHED, -5040, "the peer has begun a new session")                                    \
    X(PTL_EOWNER, -5041, "an update to a database that its node has not announced")                \
    X(PTL_ENOKEY, -5042, "no such key in the database")                                            \
    X(PTL_ERIVAL, -5043,                                                                           \
      "another node of the same ID is linked: give every node an ID of its own")                   \
    X(PTL_EUNREAD, -5044, "the peer asks and takes no answers")                                    \
    X(PTL_EREFUSED, -5045, "the peer closed at our proof: another secret, or our ID is in use")    \
    X(PTL_EFRAME, -5046, "the peer sent a frame that breaks a rule of docs/wire.md")               \
    X(PTL_EBROUGHT, -5047,                                                                         \
      "it brings more than one may: see db_owners_max, db_brought_max and globals_max")            \
    X(PTL_EGOODBYE, -5048, "the peer has stopped")                                                 \
    X(PTL_ECERT, -5049, "no usable certificate: give it as PEM, the node's own one first")         \
    X(PTL_EKEY, -5050, "no usable key: give that of the certificate, as PEM, not encrypted")       \
    X(PTL_EAUTHORITIES, -5051, "no usable authorities: give certificates of authorities as PEM")   \
    X(PTL_ELIST, -5052, "no usable revocation list: give those of the authorities as PEM")         \
    X(PTL_ETLS, -5053, "TLS failed: the peer breaks its rules, or bytes were changed on the way")  \
    X(PTL_ETLSVERSION, -5054, "no version or cipher of TLS in common: both need 1.2 or 1.3")       \
    X(PTL_ENOCERT, -5055, "the peer has shown no certificate: give its node one")                  \
    X(PTL_EAUTHORITY, -5056,                                                                       \
      "the peer's certificate is of no authority that is trusted here: compare the two")           \
    X(PTL_EEXPIRED, -5057, "the peer's certificate has expired: give its node a new one")          \
    X(PTL_EEARLY, -5058, "the peer's certificate is not valid yet: compare the clocks")            \
    X(PTL_EREVOKED, -5059, "the peer's certificate is revoked: give its node a new one")           \
    X(PTL_ENOLIST, -5060,                                                                          \
      "no revocation list in force of the authority of the peer's certificate: get a new one")     \
    X(PTL_ECERTNAME, -5061,                                                                        \
      "the peer's certificate is for another node ID: compare its names with the node's ID")       \
    X(PTL_ECERTREFUSED, -5062,                                                                     \
      "the peer refuses our certificate: its log says why, at level debug")                        \
    X(PTL_ENOTLS, -5063, "the peer offers no TLS, which --tls require asks for")                   \
    X(PTL_ECHANGED, -5064, "somebody between the two nodes has changed a greeting")                \
    X(PTL_EONLYTLS, -5065, "the peer takes nothing but TLS: give this node a certificate")         \
    X(PTL_ERULES, -5066, "the rules have mistakes: portolan acl check FILE names them")            \
    X(PTL_EDENIED, -5067, "the node's rules do not allow it: see portolan acl check")

enum ptl_err {
    PTL_OK = 0,
#define PTL_ERROR_VALUE(name, value, text) name = value,
    PTL_ERRORS(PTL_ERROR_VALUE)
#undef PTL_ERROR_VALUE
};

#ifdef __cplusplus
extern "C" {
#endif
/* What a shared library shows begins here. */
#pragma GCC visibility push(default)

/*
 * The operator's line for `err`: ours, or the C library's text for a kernel's -errno.
 * Owns: the text is constant and never freed.  Thread: any.
 */
const char *ptl_err_text(int err);

/* The code's own name, "PTL_EFULL"; "errno" for a kernel's.  Thread: any. */
const char *ptl_err_name(int err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
