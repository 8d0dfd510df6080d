// Package fanout has pieces of large queries read by other instances of the same query function, and reads pieces for them.
//
// A Client is asked by a scan for the rows or the counts of a piece. It sends a request to a worker over a Transport, HTTP or an invocation of AWS
// Lambda, and takes nothing for whole that does not say so itself: an answer is a sequence of frames that ends with a trailer. Where a worker fails, is
// slow or breaks off, the piece is asked for once more, with rows from where they broke off. A second failure is the query's.
//
// A Worker answers. It reads blocks of the bucket and nothing else on the word of a request, and has no workers of its own.
package fanout
