// SPDX-License-Identifier: MIT
//
// gameserver - a small game server whose rules are Python modules that may change at any moment.
//
// The world (who fights, who has how many hit points) lives here, in C++; what a blow does, who
// comes next and what a fallen monster leaves are questions to the modules rules.combat,
// rules.spawn and rules.loot. The server ticks 20 times a second; between two ticks it lets
// changes of the rules come into effect. A rule that raises, or a change that can't be loaded, is
// reported and the game goes on with what it has.

#include <pymodhost.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

namespace
{

constexpr int ticks_per_second = 20;
volatile std::sig_atomic_t stopped = 0;

void stop(int)
{
	stopped = 1;
}

struct Fight {
	std::string monster = "nobody";
	int64_t hits = 0;
	int64_t full = 0;
	int64_t blow = 0;
	int64_t gold = 0;
	int64_t fallen = 0;
	std::string last_error;
};

struct HostDeleter {
	void operator()(pymodhost *host) const
	{
		pymodhost_destroy(host);
	}
};
using Host = std::unique_ptr<pymodhost, HostDeleter>;

std::string last_line(std::string text)
{
	while (!text.empty() && text.back() == '\n')
		text.pop_back();
	return text.substr(text.rfind('\n') + 1);
}

// Told of every module that was loaded, reloaded or could not be.
void show_event(const pymodhost_event *event, void *)
{
	switch (event->type) {
	case PYMODHOST_LOADED:
		std::printf("-- %s loaded\n", event->module);
		break;
	case PYMODHOST_RELOADED:
		std::printf("-- %s reloaded in %.2f ms\n", event->module, event->seconds * 1e3);
		break;
	case PYMODHOST_UNLOADED:
		std::printf("-- %s unloaded\n", event->module);
		break;
	case PYMODHOST_FAILED:
		std::printf("-- %s refused, the old code goes on: %s\n", event->module,
			last_line(event->text).c_str());
		break;
	}
}

// A rule that fails is reported once, not twenty times a second.
bool succeeded(Fight &fight, int result)
{
	if (result == 0)
		return true;
	std::string error = last_line(pymodhost_error());
	if (error != fight.last_error)
		std::printf("-- a rule failed: %s\n", error.c_str());
	fight.last_error = error;
	return false;
}

void call_next_monster(pymodhost *host, Fight &fight)
{
	char *name = nullptr;
	int64_t hits = 0;
	int result =
		pymodhost_call(host, "rules.spawn", "monster", "l>sl", fight.fallen, &name, &hits);
	if (succeeded(fight, result) && name && hits > 0) {
		fight.monster = name;
		fight.hits = fight.full = hits;
	}
	pymodhost_free(name);
}

void strike(pymodhost *host, Fight &fight, int64_t tick)
{
	int64_t blow = 0;
	int result = pymodhost_call(
		host, "rules.combat", "blow", "sl>l", fight.monster.c_str(), tick, &blow);
	if (!succeeded(fight, result))
		return;
	fight.blow = blow;
	fight.hits -= blow;
	if (fight.hits > 0)
		return;
	int64_t gold = 0;
	if (succeeded(fight, pymodhost_call(host, "rules.loot", "gold", "s>l",
				     fight.monster.c_str(), &gold)))
		fight.gold += gold;
	fight.fallen++;
	call_next_monster(host, fight);
}

void show(const Fight &fight, int64_t tick)
{
	std::printf("tick %5lld   %-8s %4lld of %4lld hits left, each blow takes %3lld   "
		    "%lld fallen, %lld gold\n",
		static_cast<long long>(tick), fight.monster.c_str(),
		static_cast<long long>(fight.hits), static_cast<long long>(fight.full),
		static_cast<long long>(fight.blow), static_cast<long long>(fight.fallen),
		static_cast<long long>(fight.gold));
	std::fflush(stdout);
}

void play(pymodhost *host, int64_t ticks)
{
	using Clock = std::chrono::steady_clock;
	auto next = Clock::now();
	Fight fight;
	for (const char *module : {"rules.combat", "rules.spawn", "rules.loot"})
		pymodhost_load(host, module, nullptr);
	call_next_monster(host, fight);
	for (int64_t tick = 1; !stopped && (ticks == 0 || tick <= ticks); tick++) {
		// The safe point: between two ticks no rule is running.
		pymodhost_poll(host, nullptr);
		strike(host, fight, tick);
		if (tick % (ticks_per_second / 2) == 0)
			show(fight, tick);
		next += std::chrono::milliseconds(1000 / ticks_per_second);
		std::this_thread::sleep_until(next);
	}
}

Host start(const char *directory)
{
	std::unique_ptr<pymodhost_config, decltype(&pymodhost_config_destroy)> config(
		pymodhost_config_create(), pymodhost_config_destroy);
	pymodhost *host = nullptr;
	if (!config || pymodhost_config_add_path(config.get(), directory) != 0 ||
		pymodhost_create(config.get(), &host) != 0)
		return nullptr;
	return Host(host);
}

} // namespace

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3) {
		std::fprintf(stderr, "usage: gameserver RULES-DIRECTORY [TICKS]\n");
		return 2;
	}
	std::signal(SIGINT, stop);
	std::signal(SIGTERM, stop);
	std::setvbuf(stdout, nullptr, _IOLBF, 0);
	Host host = start(argv[1]);
	if (!host) {
		std::fprintf(stderr, "gameserver: %s\n", pymodhost_error());
		return 1;
	}
	pymodhost_on_event(host.get(), show_event, nullptr);
	play(host.get(), argc == 3 ? std::strtoll(argv[2], nullptr, 10) : 0);
	return 0;
}
