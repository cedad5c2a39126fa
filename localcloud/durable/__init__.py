"""State that outlives the process: what moto and the engines hold, written as data before a request is answered."""
