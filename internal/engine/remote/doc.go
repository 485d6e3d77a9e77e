// Package remote runs strategies on other machines.
//
// A session is one stream to one machine, over which a bkp there, the agent, opens
// strategies and runs their verbs. The stream is divided (yamux), and looked after
// from both sides: each call has a stream of its own, which carries the call, what
// the strategy says meanwhile, its result and, for trees, their bytes. A Strategy of
// this package passes every verb on; the engine knows it as any other.
//
// However the session ends, the agent ends what runs, discards what is
// not finished, closes its strategies and exits.
//
// The package leaves out how the machine is reached (providers.Connection), which
// strategies there are, and when a verb is called.
package remote
