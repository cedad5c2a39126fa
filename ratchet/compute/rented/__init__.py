"""Jobs on machines of our own renting: what EC2 and ECS share, so that each of them is one file of hands."""
