/*
 * A server and its clients in C++, as people write it over the C interface: rights that drop themselves, messages as
 * templates, a virtual function for each kind of request, objects that are made before main. Without exceptions and run-time
 * types, and with no header but C's.
 */
#include <mach/mach.h>
#include <mach/mach_error.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <pthread.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace
{

[[noreturn]] void
die(const char *what, kern_return_t kr)
{
	fprintf(stderr, "%s: %s\n", what, mach_error_string(kr));
	exit(1);
}

void
must(const char *what, kern_return_t kr)
{
	if (kr != KERN_SUCCESS) {
		die(what, kr);
	}
}

/* One user reference of a right, given back at the end of its scope. */
template <mach_port_right_t kind> class Right
{
      public:
	explicit Right(mach_port_t name = MACH_PORT_NULL) : name_(name)
	{
	}
	Right(const Right &) = delete;
	Right &operator=(const Right &) = delete;
	Right(Right &&other) : name_(other.name_)
	{
		other.name_ = MACH_PORT_NULL;
	}
	~Right()
	{
		if (MACH_PORT_VALID(name_)) {
			must("mach_port_mod_refs", mach_port_mod_refs(mach_task_self(), name_, kind, -1));
		}
	}
	mach_port_t
	name() const
	{
		return name_;
	}

      private:
	mach_port_t name_;
};

using Receive = Right<MACH_PORT_RIGHT_RECEIVE>;
using Send = Right<MACH_PORT_RIGHT_SEND>;

Receive
make_port()
{
	mach_port_t name;

	must("mach_port_allocate", mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name));
	return Receive(name);
}

Send
make_send(const Receive &port)
{
	must("mach_port_insert_right",
	    mach_port_insert_right(mach_task_self(), port.name(), port.name(), MACH_MSG_TYPE_MAKE_SEND));
	return Send(port.name());
}

template <typename Body> struct Message {
	mach_msg_header_t head;
	Body body;
	mach_msg_max_trailer_t trailer;

	static constexpr mach_msg_size_t size = sizeof(mach_msg_header_t) + sizeof(Body);
};

/* A kind of request; the list of them is complete before main. */
class Handler
{
      public:
	explicit Handler(mach_msg_id_t id) : id_(id), next_(first)
	{
		first = this;
	}
	virtual long answer(long left, long right) const = 0;

	static const Handler *
	find(mach_msg_id_t id)
	{
		const Handler *handler = first;

		while (handler != nullptr && handler->id_ != id) {
			handler = handler->next_;
		}
		return handler;
	}

      protected:
	~Handler() = default;

      private:
	mach_msg_id_t id_;
	const Handler *next_;
	static const Handler *first;
};

const Handler *Handler::first;

class Sum final : public Handler
{
	using Handler::Handler;
	long
	answer(long left, long right) const override
	{
		return left + right;
	}
};

class Product final : public Handler
{
	using Handler::Handler;
	long
	answer(long left, long right) const override
	{
		return left * right;
	}
};

const Sum sum(100);
const Product product(101);

struct Operands {
	long left, right;
};

class Server
{
      public:
	Server() : port_(make_port()), send_(make_send(port_))
	{
		if (pthread_create(&thread_, nullptr, &Server::run, this) != 0) {
			die("pthread_create", KERN_RESOURCE_SHORTAGE);
		}
	}
	~Server()
	{
		Message<Operands> quit = {};

		quit.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0);
		quit.head.msgh_remote_port = send_.name();
		must("quit",
		    mach_msg(&quit.head, MACH_SEND_MSG, quit.size, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL));
		pthread_join(thread_, nullptr);
	}
	mach_port_t
	name() const
	{
		return send_.name();
	}

      private:
	static void *
	run(void *arg)
	{
		static_cast<Server *>(arg)->serve();
		return nullptr;
	}

	void
	serve()
	{
		for (;;) {
			Message<Operands> request = {};
			Message<long> reply = {};

			must("receive", mach_msg(&request.head, MACH_RCV_MSG, 0, sizeof(request),
					    port_.name(), 0, MACH_PORT_NULL));
			if (request.head.msgh_remote_port == MACH_PORT_NULL) {
				return;
			}
			const Handler *handler = Handler::find(request.head.msgh_id);

			reply.head.msgh_bits =
			    MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request.head.msgh_bits), 0);
			reply.head.msgh_remote_port = request.head.msgh_remote_port;
			reply.head.msgh_id = request.head.msgh_id + 100;
			reply.body =
			    handler != nullptr ? handler->answer(request.body.left, request.body.right) : -1;
			must("reply", mach_msg(&reply.head, MACH_SEND_MSG, reply.size, 0, MACH_PORT_NULL, 0,
					  MACH_PORT_NULL));
		}
	}

	Receive port_;
	Send send_;
	pthread_t thread_;
};

long
call(mach_port_t server, mach_msg_id_t id, long left, long right)
{
	union {
		Message<Operands> request;
		Message<long> reply;
	} m = {};
	Receive port = make_port();

	m.request.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	m.request.head.msgh_remote_port = server;
	m.request.head.msgh_local_port = port.name();
	m.request.head.msgh_id = id;
	m.request.body = Operands{ left, right };
	must("call", mach_msg(&m.request.head, MACH_SEND_MSG | MACH_RCV_MSG, m.request.size, sizeof(m),
			 port.name(), 0, MACH_PORT_NULL));
	return m.reply.body;
}

struct Farewell {
	~Farewell()
	{
		printf("objects end after main\n");
		fflush(stdout);
	}
} farewell;

} // namespace

int
main()
{
	natural_t before = 0, after = 0;
	mach_port_name_array_t names;
	mach_port_type_array_t types;
	mach_msg_type_number_t count;

	(void)pthread_mach_thread_np(pthread_self()); /* a right that the library keeps */
	must("mach_port_names", mach_port_names(mach_task_self(), &names, &before, &types, &count));
	{
		Server server;

		printf("6 + 7 = %ld\n", call(server.name(), 100, 6, 7));
		printf("6 * 7 = %ld\n", call(server.name(), 101, 6, 7));
		printf("unknown: %ld\n", call(server.name(), 102, 6, 7));
	}
	must("mach_port_names", mach_port_names(mach_task_self(), &names, &after, &types, &count));
	printf("rights left behind: %d\n", static_cast<int>(after - before));
	return 0;
}
