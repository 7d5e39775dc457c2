"""What this machine can do: how fast presets train on it, what power that takes, when an accuracy is reached.

| module      | purpose                                                                             |
|-------------|-------------------------------------------------------------------------------------|
| `profile`   | the file that all of it is stored in, `profile.json`                                 |
| `strict`    | JSON read without forgiveness: the wrong value is named                              |
| `machine`   | the devices of this machine                                                          |
| `data`      | the rows that presets are measured on                                                |
| `schedule`  | a preset in other lengths                                                            |
| `runs`      | training runs of rising length within a budget, timed and judged                     |
| `power`     | what a device draws: NVML, RAPL, or what the user states                             |
| `flops`     | operations of training, counted from the architecture                                |
| `curves`    | learning curves, fitted to short runs and carried on to longer ones                  |
| `estimate`  | from runs to speed, learning curve and the time to an accuracy                       |
| `calibrate` | all of it, for every preset on every device                                          |
"""
