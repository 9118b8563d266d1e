%% perf/peers/peer_erlang.erl - distributed Erlang: two nodes, plain messages between processes; Mnesia
%% as a database, in memory on both.
%%
%%   erl ... -run peer_erlang far
%%   erl ... -run peer_erlang near WORK SIZE SECONDS WARM_UP IN_FLIGHT RATE BULK TICKER FILE
%%
%% The near node prints one line of JSON and writes the times, 8 bytes each, to FILE.  An Erlang timer
%% counts milliseconds, so what is due when is told by TICKER, a program that writes due times to a pipe.
-module(peer_erlang).
-export([far/0, near/1, count/1, echo/0, take_bulk/0, watch/1]).

-define(FAR, 'far@127.0.0.1').
-define(KEYS, 100000).
-define(PATIENCE, 3000).
-record(entry, {key, value}).
-record(work, {size, seconds, warm_up, in_flight, rate, bulk, ticker, near, from, until}).

now_ns() ->
    os:system_time(nanosecond).

%% ---- Far end ----------------------------------------------------------------------------------

far() ->
    io:format("ready~n").

start_far(Function, Arguments) ->
    spawn_opt(?FAR, ?MODULE, Function, Arguments, [{message_queue_data, off_heap}]).

%% Counts binaries, where another process can look, and says how many came before the question.
count(#work{from = From, until = Until, near = Near}) ->
    Counter = counters:new(1, []),
    spawn_opt(fun() -> look(Counter, From, Until, Near) end, [link, {priority, high}]),
    count_into(Counter).

count_into(Counter) ->
    receive
        Message when is_binary(Message) ->
            counters:add(Counter, 1, 1),
            count_into(Counter);
        {how_many, Asker} ->
            Asker ! {count, counters:get(Counter, 1)},
            count_into(Counter)
    end.

%% How many came a second between these times.
look(Counter, From, Until, Near) ->
    sleep_until(From),
    {Count0, Time0} = {counters:get(Counter, 1), now_ns()},
    sleep_until(Until),
    {Count, Time} = {counters:get(Counter, 1), now_ns()},
    Near ! {rate, (Count - Count0) * 1.0e9 / (Time - Time0)}.

sleep_until(Time) ->
    timer:sleep(max(0, (Time - now_ns()) div 1000000)).

echo() ->
    receive
        {From, Message} ->
            From ! Message,
            echo()
    end.

take_bulk() ->
    receive
        {From, Message} when is_binary(Message) ->
            From ! taken,
            take_bulk()
    end.

%% The watcher of the table: told of a write, it notes how long ago it was meant.
watch(Asker) ->
    {ok, _} = mnesia:subscribe({table, entry, simple}),
    Asker ! watching,
    watch(Asker, []).

watch(Asker, Times) ->
    receive
        {mnesia_table_event, {write, #entry{value = <<Due:64, _/binary>>}, _}} ->
            watch(Asker, [{Due, now_ns() - Due} | Times]);
        {how_many, Sent} ->
            watch(Asker, Times, Sent - length(Times))
    end.

watch(Asker, Times, 0) ->
    Asker ! {watched, Times};
watch(Asker, Times, Open) ->
    receive
        {mnesia_table_event, {write, #entry{value = <<Due:64, _/binary>>}, _}} ->
            watch(Asker, [{Due, now_ns() - Due} | Times], Open - 1)
    after ?PATIENCE ->
        Asker ! {watched, Times}
    end.

%% ---- Near end ---------------------------------------------------------------------------------

near([Name, Size, Seconds, WarmUp, InFlight, Rate, Bulk, Ticker, File]) ->
    connect(100),
    Work0 = #work{size = list_to_integer(Size), seconds = list_to_float(Seconds),
                  warm_up = list_to_float(WarmUp), in_flight = list_to_integer(InFlight),
                  rate = list_to_float(Rate), bulk = list_to_integer(Bulk), ticker = Ticker},
    Self = self(),
    spawn_opt(fun() -> Self ! {result, run(Name, Work0#work{near = self()})} end,
              [{min_heap_size, 1000000}, link, {message_queue_data, off_heap}]),
    {Rate1, Times, Lost, BulkRate} = receive {result, Result} -> Result end,
    ok = file:write_file(File, [<<Time:64/native>> || Time <- Times]),
    io:format("{\"system\": \"erlang\", \"work\": \"~s\", \"rate\": ~b, \"bytes_per_second\": ~b, "
              "\"bulk_bytes_per_second\": ~b, \"lost\": ~b, \"disordered\": 0}~n",
              [Name, round(Rate1), round(Rate1 * Work0#work.size), round(BulkRate), Lost]),
    erlang:halt(0).

%% The other node has just been started.
connect(0) ->
    io:format(standard_error, "erlang: the far node cannot be reached~n", []),
    erlang:halt(1);
connect(Tries) ->
    net_kernel:connect_node(?FAR) orelse
        begin timer:sleep(50), connect(Tries - 1) end.

timed(Work) ->
    From = now_ns() + round(Work#work.warm_up * 1.0e9),
    Work#work{from = From, until = From + round(Work#work.seconds * 1.0e9)}.

run("one-way", Work) -> one_way(timed(Work));
run("request", Work) when Work#work.rate > 0 -> open_loop(Work, fun request/3, echo);
run("request", Work) -> closed_loop(timed(Work));
run("mixed", Work) -> mixed(Work);
run("db-set", Work) -> start_database(), db_set(timed(Work));
run("db-watch", Work) -> start_database(), db_watch(Work).

%% ---- One way ----------------------------------------------------------------------------------

one_way(Work) ->
    Far = start_far(count, [Work]),
    Message = <<0:(Work#work.size * 8)>>,
    Sent = send_until(Far, Message, max(1, 65536 div Work#work.size), Work#work.until, 0),
    Rate = receive {rate, Told} -> Told end,
    Far ! {how_many, self()},
    Count = receive {count, Number} -> Number end,
    {Rate, [], Sent - Count, 0}.

send_until(Far, Message, Burst, Until, Sent) ->
    case now_ns() >= Until of
        true -> Sent;
        false ->
            send_burst(Far, Message, Burst),
            send_until(Far, Message, Burst, Until, Sent + Burst)
    end.

send_burst(_, _, 0) -> ok;
send_burst(Far, Message, Count) ->
    Far ! Message,
    send_burst(Far, Message, Count - 1).

%% ---- Requests ---------------------------------------------------------------------------------

request(Far, Due, Size) ->
    Far ! {self(), <<Due:64, 0:((Size - 8) * 8)>>}.

closed_loop(Work) ->
    Far = start_far(echo, []),
    [request(Far, now_ns(), Work#work.size) || _ <- lists:seq(1, Work#work.in_flight)],
    {Count, Times, Lost} = answers(Far, Work, Work#work.in_flight, 0, []),
    {Count / Work#work.seconds, Times, Lost, 0}.

answers(_, _, 0, Count, Times) -> {Count, Times, 0};
answers(Far, #work{from = From, until = Until, size = Size} = Work, InFlight, Count, Times) ->
    receive
        <<Sent:64, _/binary>> ->
            Now = now_ns(),
            Times1 = if Sent >= From, Sent < Until -> [Now - Sent | Times]; true -> Times end,
            Count1 = if Now >= From, Now < Until -> Count + 1; true -> Count end,
            if
                Now < Until ->
                    request(Far, Now, Size),
                    answers(Far, Work, InFlight, Count1, Times1);
                true ->
                    answers(Far, Work, InFlight - 1, Count1, Times1)
            end
    after ?PATIENCE -> {Count, Times, InFlight}
    end.

%% Send(Far, Due, Size) whenever the ticker says so.
open_loop(Work0, Send, Function) ->
    Far = start_far(Function, []),
    Work = timed(Work0),
    start_ticker(Work),
    {Count, Times, Lost} = open_answers(Far, Send, Work, 0, 0, [], ticking),
    {Count / Work#work.seconds, Times, Lost, 0}.

start_ticker(Work) ->
    Seconds = Work#work.warm_up + Work#work.seconds,
    open_port({spawn_executable, Work#work.ticker},
              [{args, [float_to_list(Work#work.rate), float_to_list(Seconds)]}, binary, in, eof]).

%% `Open` requests have no answer yet.
open_answers(_, _, _, 0, Count, Times, over) -> {Count, Times, 0};
open_answers(Far, Send, #work{from = From, until = Until} = Work, Open, Count, Times, Ticker) ->
    receive
        {_Port, {data, Dues}} ->
            Sent = send_due(Far, Send, Work#work.size, Dues, 0),
            open_answers(Far, Send, Work, Open + Sent, Count, Times, Ticker);
        {_Port, eof} ->
            open_answers(Far, Send, Work, Open, Count, Times, over);
        <<Due:64, _/binary>> ->
            Now = now_ns(),
            Times1 = if Due >= From, Due < Until -> [Now - Due | Times]; true -> Times end,
            Count1 = if Now >= From, Now < Until -> Count + 1; true -> Count end,
            open_answers(Far, Send, Work, Open - 1, Count1, Times1, Ticker)
    after ?PATIENCE -> {Count, Times, Open}
    end.

%% The ticker writes eight bytes at once, so a due time comes whole.
send_due(Far, Send, Size, <<Due:64/native, Rest/binary>>, Sent) ->
    Send(Far, Due, Size),
    send_due(Far, Send, Size, Rest, Sent + 1);
send_due(_, _, _, <<>>, Sent) -> Sent.

mixed(Work) ->
    Self = self(),
    Bulk = <<0:(Work#work.bulk * 8)>>,
    Sender = spawn_link(fun() -> send_bulk(start_far(take_bulk, []), Bulk, 0) end),
    {Rate, Times, Lost, _} = open_loop(Work, fun request/3, echo),
    Sender ! {how_many, Self},
    Bulks = receive {bulks, Count} -> Count end,
    {Rate, Times, Lost, Bulks * Work#work.bulk / (Work#work.seconds + Work#work.warm_up)}.

send_bulk(Far, Bulk, Count) ->
    Far ! {self(), Bulk},
    receive
        taken -> send_bulk(Far, Bulk, Count + 1);
        {how_many, Asker} -> Asker ! {bulks, Count}
    end.

%% ---- Database ---------------------------------------------------------------------------------

start_database() ->
    ok = rpc:call(?FAR, mnesia, start, []),
    ok = mnesia:start(),
    {ok, _} = mnesia:change_config(extra_db_nodes, [?FAR]),
    {atomic, ok} = mnesia:create_table(entry, [{ram_copies, [node(), ?FAR]},
                                               {attributes, record_info(fields, entry)}]),
    ok = mnesia:wait_for_tables([entry], 5000).

key(Number) ->
    iolist_to_binary(io_lib:format("key:~6..0B", [Number rem ?KEYS])).

entry(Number, Due) ->
    #entry{key = key(Number), value = <<Due:64, Number:64>>}.

%% So many processes, each of which waits until both nodes have its set.
db_set(Work) ->
    Self = self(),
    Setters = Work#work.in_flight,
    [spawn_link(fun() -> Self ! {set, set_until(Work, Number, Setters, 0, [])} end)
     || Number <- lists:seq(1, Setters)],
    Results = [receive {set, Result} -> Result end || _ <- lists:seq(1, Setters)],
    Count = lists:sum([C || {C, _} <- Results]),
    {Count / Work#work.seconds, lists:append([T || {_, T} <- Results]), 0, 0}.

set_until(#work{from = From, until = Until} = Work, Number, Step, Count, Times) ->
    Sent = now_ns(),
    if
        Sent >= Until -> {Count, Times};
        true ->
            mnesia:sync_dirty(fun() -> mnesia:write(entry(Number, Sent)) end),
            Now = now_ns(),
            Counts = Sent >= From andalso Now < Until,
            set_until(Work, Number + Step, Step,
                      if Counts -> Count + 1; true -> Count end,
                      if Sent >= From -> [Now - Sent | Times]; true -> Times end)
    end.

db_watch(Work0) ->
    Watcher = start_far(watch, [self()]),
    receive watching -> ok end,
    Work = timed(Work0),
    start_ticker(Work),
    Sent = db_due(0),
    Watcher ! {how_many, Sent},
    All = receive {watched, Told} -> Told end,
    Times = [Time || {Due, Time} <- All, Due >= Work#work.from, Due < Work#work.until],
    {length(Times) / Work#work.seconds, Times, Sent - length(All), 0}.

db_due(Number) ->
    receive
        {_Port, {data, Dues}} ->
            Set = fun(_, Due, _) -> mnesia:dirty_write(entry(erlang:unique_integer([positive]), Due)) end,
            db_due(Number + send_due(none, Set, 0, Dues, 0));
        {_Port, eof} ->
            Number
    end.
