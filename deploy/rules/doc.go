// Package rules holds ready-made alerting rules and, in the folder tests, lines that they fire for.
package rules
