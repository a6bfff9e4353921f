"""Update rules: how a slice of weights changes, given its gradient. One rule, one file."""
