"""`--gas-profile` for all environments and all calls: titanoboa profiles one environment, and calls of its objects."""

from typing import Any


def profile_everywhere() -> None:
    """Meter every environment for the profile, and count calls that go around titanoboa's contract objects."""
    from boa.environment import Env
    from boa.profiling import cache_gas_used_for_computation
    from boa.vm.gas_meters import ProfilingGasMeter
    from boa.vm.py_evm import titanoboa_computation

    titanoboa_computation._gas_meter_class = ProfilingGasMeter
    below = Env.execute_code

    def execute_code(self: Any, to_address: Any, *args: Any, contract: Any = None, **kwargs: Any) -> Any:
        done = below(self, to_address, *args, contract=contract, **kwargs)
        # where a contract is named, it counts by itself; where not, the code says whose it is
        if contract is None and (callee := self._code_registry.get(self.get_code(to_address))) is not None:
            cache_gas_used_for_computation(callee, done)
        return done

    Env.execute_code = execute_code
