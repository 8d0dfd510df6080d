// Package compactor turns raw objects into blocks, merges them, seals closed days, and deletes: what was consumed, what was replaced,
// what nobody names, and what retention no longer keeps. It is the one part of Lethe that deletes users' logs.
//
// Any number of compactors may run over one bucket at once, and each may die at any call. What makes that safe are the rules that the
// comments here number as docs/operations.md does: a writer reads the manifest before it lists (3), starts over when an input is missing (4) or
// a swap is lost (7), never deletes its own block (7), and nothing is deleted that a manifest did not name for it (12) but orphans, behind a swap (15).
//
// One file is one step. Plans (planCommit, planMerges, planSeal, planRetention) are pure; what does them is beside them.
package compactor
