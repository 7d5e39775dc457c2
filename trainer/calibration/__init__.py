"""What this machine can do: how fast presets train on it, what power that takes, when an accuracy is reached.

| module       | purpose                                                                        |
|--------------|--------------------------------------------------------------------------------|
| `profile`    | the file that all of it is stored in, `profile.json`                            |
| `strict`     | JSON read without forgiveness: the wrong value is named                         |
"""
