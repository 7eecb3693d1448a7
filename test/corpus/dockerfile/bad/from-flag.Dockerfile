FROM --plattform=x base
